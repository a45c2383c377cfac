# fuzz: libFuzzer targets for every parser of bytes from outside. A target is a file fuzz_X.c beside this one
# and a folder corpus/fuzz_X. The preset "fuzz" (clang) builds them; the suite, which runs with the release
# build, configures and builds that preset itself and fuzzes each target for a bounded time.
if(NOREN_FUZZ)
    file(GLOB fuzz_targets CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/fuzz_*.c)
    add_custom_target(fuzz_targets)
    foreach(file ${fuzz_targets})
        get_filename_component(name ${file} NAME_WE)
        add_executable(${name} EXCLUDE_FROM_ALL ${file})
        target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/gateway ${CMAKE_SOURCE_DIR}/firmware)
        target_link_libraries(${name} PRIVATE noren_hq noren_io)
        target_link_options(${name} PRIVATE -fsanitize=fuzzer)
        add_dependencies(fuzz_targets ${name})
    endforeach()
endif()
if(NOREN_E2E)
    add_test(NAME fuzz COMMAND ${CMAKE_SOURCE_DIR}/scripts/fuzz --seconds 15)
    set_tests_properties(fuzz PROPERTIES LABELS fuzz TIMEOUT 900)
endif()
