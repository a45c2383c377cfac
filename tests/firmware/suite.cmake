# firmware: the images of all boards are built within their budget; one runs in QEMU and what it sends is
# understood by the gateway's decoder.
if(NOREN_E2E)
    add_test(NAME firmware COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/firmware/run ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})
    set_tests_properties(firmware PROPERTIES LABELS firmware TIMEOUT 300 RUN_SERIAL TRUE)
endif()
