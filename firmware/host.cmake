# The firmware for the host: the same sources, hal/host, simulated chips. Included by the top CMakeLists.txt.
file(GLOB fw_core CONFIGURE_DEPENDS firmware/core/*.c)
add_library(noren_fw_core STATIC ${fw_core})
target_include_directories(noren_fw_core PUBLIC firmware)
target_link_libraries(noren_fw_core PUBLIC noren_adc)

add_executable(noren-device-host firmware/main.c firmware/cells.c firmware/crypto/crypto.c
               firmware/hal/host/hal.c firmware/hal/sim_pins.c)
target_include_directories(noren-device-host PRIVATE firmware boards/microbit-qemu)
target_link_libraries(noren-device-host PRIVATE noren_fw_core)

add_executable(noren-provision firmware/tools/provision.c)
target_link_libraries(noren-provision PRIVATE noren_fw_core noren_io) # io: the crypto seam
