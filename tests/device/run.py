"""Run the suite on any interpreter: `micropython run.py DATA_DIR ENGINE [module ..]`.

DATA_DIR is made by ../make_device_data.py; `aifes` must be importable. ENGINE: native, viper or
python; every model of the suite runs on it.
"""
import gc
import sys

import cases

MODULES = ("test_tutorial", "test_maps", "test_nets", "test_helpers", "test_ops", "test_tables",
           "test_run", "test_floats", "test_float32", "test_quantize", "test_quantizer",
           "test_errors", "test_memory", "test_update", "test_edges", "test_graph", "test_images",
           "test_image_layers", "test_cnns", "test_format1",
           "test_pieces", "test_rows")


def report(error):
    if hasattr(sys, "print_exception"):
        sys.print_exception(error)
    else:
        import traceback

        traceback.print_exception(type(error), error, error.__traceback__)


def main(arguments):
    cases.DATA = arguments[0]
    cases.use_engine(arguments[1])
    passed = failed = 0
    for name in arguments[2:] or MODULES:
        module = __import__(name)
        for test in sorted(dir(module)):
            if not test.startswith("test_"):
                continue
            gc.collect()
            try:
                getattr(module, test)()
                print("ok", name + "." + test)
                passed += 1
            except Exception as error:
                print("FAIL", name + "." + test)
                report(error)
                failed += 1
    print("{} passed, {} failed".format(passed, failed))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
