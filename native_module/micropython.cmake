# User C module of the CMake ports (rp2, esp32): USER_C_MODULES=path/to/native_module/micropython.cmake
add_library(usermod_aifes INTERFACE)

target_sources(usermod_aifes INTERFACE
    ${CMAKE_CURRENT_LIST_DIR}/modaifes.c
    ${CMAKE_CURRENT_LIST_DIR}/modaifes_f32.c
)

target_include_directories(usermod_aifes INTERFACE
    ${CMAKE_CURRENT_LIST_DIR}
)

# each operation is rounded by itself
set_source_files_properties(${CMAKE_CURRENT_LIST_DIR}/modaifes_f32.c PROPERTIES
    COMPILE_OPTIONS -ffp-contract=off
)

target_link_libraries(usermod INTERFACE usermod_aifes)
