# cells: load cells from the converter to the shelf, with the shipped programs.
# Calibration is not in the suite yet (`ctest -C unsteady -R cells_calibrate` runs it): on a busy machine it ended red
# twice of two, at other places, because the simulated converters starve and their cells become faulty meanwhile.
if(NOREN_E2E)
    message(STATUS "cells_calibrate is left out: unsteady on a busy machine, see tests/cells/suite.cmake")
    add_test(NAME cells_calibrate CONFIGURATIONS unsteady COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/cells/calibrate ${CMAKE_SOURCE_DIR}
             ${CMAKE_BINARY_DIR}/bin)
    set_tests_properties(cells_calibrate PROPERTIES LABELS cells TIMEOUT 300)
endif()

# Both GPIO shims under a real kernel. Skipped (77) where Debian 13's package cannot be had.
if(NOREN_E2E)
    add_test(NAME cells_gpiod COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/cells/gpiod ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})
    set_tests_properties(cells_gpiod PROPERTIES LABELS cells TIMEOUT 600 RUN_SERIAL TRUE SKIP_RETURN_CODE 77)
endif()
