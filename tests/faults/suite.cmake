# faults: the shipped programs with a real broker and a real HQ, while things break.
if(NOREN_E2E)
    add_executable(faults_load faults/load.c)
    target_link_libraries(faults_load PRIVATE noren_io)
    add_executable(faults_air faults/air.c)
    target_link_libraries(faults_air PRIVATE noren_io)
    target_include_directories(faults_load PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
    target_include_directories(faults_air PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
    add_executable(faults_freeze faults/freeze.c)
    noren_script_tests(faults config kill broker disk drain restore enroll renew watchdog privacy boards soak)
endif()

# Storage under a disk that breaks: the shipped db.c over a VFS of our own, no process to start.
if(NOREN_E2E)
    add_executable(faults_storage_cuts faults/storage.c faults/vfs.c)
    target_link_libraries(faults_storage_cuts PRIVATE noren_io)
    add_test(NAME faults_storage COMMAND faults_storage_cuts)
    set_tests_properties(faults_storage PROPERTIES LABELS faults TIMEOUT 900)
endif()

# The unit's sandbox, judged by systemd itself. Skipped (77) where there is no systemd-analyze.
if(NOREN_E2E)
    add_test(NAME faults_exposure COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/faults/exposure
             ${CMAKE_SOURCE_DIR}/scripts/noren.service 2.3)
    set_tests_properties(faults_exposure PROPERTIES LABELS faults SKIP_RETURN_CODE 77)
endif()

# The way to headquarters: networks, brokers and replicas that break. A proxy of our own stands in between.
if(NOREN_E2E)
    add_executable(faults_proxy faults/proxy.c)
    target_link_libraries(faults_proxy PRIVATE ssl crypto)
    add_library(faults_slow_names MODULE faults/slow_names.c)
    set_target_properties(faults_slow_names PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin PREFIX "")
    noren_script_tests(faults network hostile replicas)
endif()
