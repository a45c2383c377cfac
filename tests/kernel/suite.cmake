# kernel: Debian's kernel under QEMU, with a bank of HX711 chips and a Bluetooth controller made for it.
if(NOREN_E2E)
    add_executable(vhci ${CMAKE_CURRENT_SOURCE_DIR}/kernel/vhci.c ${CMAKE_SOURCE_DIR}/gateway/io/crypto.c)
    target_link_libraries(vhci PRIVATE PkgConfig::libcrypto)
    add_executable(btctl ${CMAKE_CURRENT_SOURCE_DIR}/kernel/btctl.c)
    target_include_directories(btctl PRIVATE ${CMAKE_SOURCE_DIR}/gateway)
endif()
