"""The robot on a board: color sensor TCS34725 and two motors, for MicroPython (RP2040, ESP32).

Each motor hangs on a driver (DRV8833, TB6612 or the like) that is wired to run forwards.
Calibrate: with the sensor over white paper, copy what Robot().counts() returns to WHITE.
"""
import time

from machine import I2C, PWM, Pin

SDA, SCL = 4, 5  # pins: Raspberry Pi Pico, I2C 0
LEFT, RIGHT = 16, 17  # pins of the motor drivers
WHITE = (2600, 2900, 2400)  # counts of red, green, blue over white paper
FULL_SPEED = 40000  # PWM duty of a motor at 1.0; 65535 is the whole voltage
PWM_HZ = 1000

ADDRESS = 0x29
COMMAND = 0xA0  # register access with auto-increment
ENABLE, ATIME, CONTROL, CDATA = 0x00, 0x01, 0x0F, 0x14
POWER_ON, POWER_AND_MEASURE = 0x01, 0x03
INTEGRATION = 0xF6  # 256 - 10 cycles of 2.4 ms: at most 10240 counts
GAIN_16 = 0x02
MEASURE_MS = 27  # 24 ms and the start of a measurement, 2.4 ms


class Robot:
    """read_color(x) and drive(y), as line_follower.follow() wants them."""

    def __init__(self):
        self._left = _motor(LEFT)
        self._right = _motor(RIGHT)
        self._data = bytearray(8)  # clear, red, green, blue: 16 bits each, low byte first
        self._i2c = I2C(0, sda=Pin(SDA), scl=Pin(SCL), freq=400000)
        self._write(ENABLE, POWER_ON)
        time.sleep_ms(3)
        self._write(ATIME, INTEGRATION)
        self._write(CONTROL, GAIN_16)
        self._write(ENABLE, POWER_AND_MEASURE)

    def read_color(self, x):
        """Wait for a new measurement and fill x with red, green, blue, white paper being 1."""
        self._measure()
        for i in range(3):
            x[i] = min(self._count(i + 1) / WHITE[i], 1)

    def drive(self, y):
        """Set the motors. y: speeds of the left and the right wheel, 0..1."""
        self._left.duty_u16(int(y[0] * FULL_SPEED))
        self._right.duty_u16(int(y[1] * FULL_SPEED))

    def counts(self):
        """Red, green, blue as the sensor counts them, for the calibration."""
        self._measure()
        return self._count(1), self._count(2), self._count(3)

    def _measure(self):
        time.sleep_ms(MEASURE_MS)
        self._i2c.readfrom_mem_into(ADDRESS, COMMAND | CDATA, self._data)

    def _count(self, channel):
        return self._data[2 * channel] | self._data[2 * channel + 1] << 8

    def _write(self, register, value):
        self._i2c.writeto_mem(ADDRESS, COMMAND | register, bytes((value,)))


def _motor(pin):
    motor = PWM(Pin(pin))
    motor.freq(PWM_HZ)
    motor.duty_u16(0)
    return motor
