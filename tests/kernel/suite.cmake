# kernel: Debian's kernel under QEMU, with a bank of HX711 chips and a Bluetooth controller made for it; the
# shipped programs between a member's phone on the air, a real gpiochip, and headquarters.
if(NOREN_E2E)
    add_executable(vhci ${CMAKE_CURRENT_SOURCE_DIR}/kernel/vhci.c ${CMAKE_SOURCE_DIR}/gateway/io/crypto.c)
    target_link_libraries(vhci PRIVATE PkgConfig::libcrypto)
    add_executable(btctl ${CMAKE_CURRENT_SOURCE_DIR}/kernel/btctl.c)
    target_include_directories(btctl PRIVATE ${CMAKE_SOURCE_DIR}/gateway)
    add_executable(crowd ${CMAKE_CURRENT_SOURCE_DIR}/kernel/crowd.c)
    add_test(NAME kernel_soak COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/kernel/soak ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR} 30)
    set_tests_properties(kernel_soak PROPERTIES LABELS kernel TIMEOUT 900)
    add_test(NAME kernel COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/kernel/run ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})
    # one at a time: emulation beside another suite is slow enough to look like a hang
    set_tests_properties(kernel PROPERTIES LABELS kernel TIMEOUT 1500 RUN_SERIAL TRUE)
endif()
