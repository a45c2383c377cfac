# identity: who is known, by the shipped programs with a real broker and a real HQ.
if(NOREN_E2E)
    add_library(identity_fast_clock MODULE identity/fast_clock.c)
    set_target_properties(identity_fast_clock PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin PREFIX "")
    noren_script_tests(identity card rest forget crowd)
endif()
