# bench: programs that scripts/bench builds (release) and runs; no tests, times are no assertions.
# Adding a measurement is adding a file bench_X.c that prints lines as bench.h says.
if(NOREN_E2E)
    file(GLOB bench_programs CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/bench_*.c)
    add_custom_target(bench_programs)
    foreach(file ${bench_programs})
        get_filename_component(name ${file} NAME_WE)
        add_executable(${name} EXCLUDE_FROM_ALL ${file})
        target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/gateway ${CMAKE_CURRENT_LIST_DIR})
        target_link_libraries(${name} PRIVATE noren_hq noren_io)
        target_compile_definitions(${name} PRIVATE NOREN_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
        add_dependencies(bench_programs ${name})
    endforeach()
    # Scripts without an extension (latency) measure the shipped programs; these are their helpers.
    add_executable(picks EXCLUDE_FROM_ALL ${CMAKE_CURRENT_LIST_DIR}/picks.c)
    add_dependencies(bench_programs faults_proxy picks faults_air norend norenctl noren-hq)
endif()
