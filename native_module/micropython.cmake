# User C module of the CMake ports (rp2, esp32): USER_C_MODULES=path/to/native_module/micropython.cmake
add_library(usermod_aifes INTERFACE)

target_sources(usermod_aifes INTERFACE
    ${CMAKE_CURRENT_LIST_DIR}/modaifes.c
    ${CMAKE_CURRENT_LIST_DIR}/aifes_load.c
    ${CMAKE_CURRENT_LIST_DIR}/aifes_run.c
)

target_include_directories(usermod_aifes INTERFACE
    ${CMAKE_CURRENT_LIST_DIR}
)

target_link_libraries(usermod INTERFACE usermod_aifes)
