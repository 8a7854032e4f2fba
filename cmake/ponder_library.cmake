# ponder_library(<folder> [HEADERS <header>...] [LINK <targets>...] [TEST_LINK <targets>...])
#
# Makes the static library ponder_<folder> of every *.cpp in the current folder and below, less the
# *_test.cpp, *_fixture.cpp and *_test_support.cpp ones, which become the test program
# ponder_<folder>_test (label: fast; tests whose suite name begins with Slow: label slow), linked with
# ponder_testing and TEST_LINK too. PONDER_SHARED_DATA names the folder of shared test data, if there is one: tests that read it
# skip themselves, saying so, where it is absent.
#
# HEADERS are the folder's doors: the headers that other folders may include (tools/check_layers
# holds them to it); all others are internal to the folder.
set(PONDER_SHARED_DATA "${CMAKE_SOURCE_DIR}/../shared/data" CACHE PATH "folder of shared test data")

function(ponder_library folder)
  cmake_parse_arguments(ARG "" "" "HEADERS;LINK;TEST_LINK" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cpp")
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_(test|fixture|test_support)\\.cpp$")
  list(FILTER tests INCLUDE REGEX "_(test|fixture|test_support)\\.cpp$")
  if(sources)
    add_library(ponder_${folder} STATIC ${sources})
    compile_together(ponder_${folder})
    target_include_directories(ponder_${folder} PUBLIC "${CMAKE_SOURCE_DIR}/src")
    target_link_libraries(ponder_${folder} PUBLIC ${ARG_LINK})
  else()
    add_library(ponder_${folder} INTERFACE)
    target_include_directories(ponder_${folder} INTERFACE "${CMAKE_SOURCE_DIR}/src")
    target_link_libraries(ponder_${folder} INTERFACE ${ARG_LINK})
  endif()
  if(tests)
    ponder_test(ponder_${folder}_test ${tests} LINK ponder_${folder} ${ARG_TEST_LINK})
  endif()
endfunction()

# In the release preset (CMAKE_UNITY_BUILD) a folder's sources are compiled some at a time as one: most of
# a source's compile time is the templates of its headers. So names in unnamed namespaces are unique
# within a folder; the dev preset compiles each source by itself, which shows a missing #include.
function(compile_together target)
  set_target_properties(${target} PROPERTIES UNITY_BUILD_BATCH_SIZE 14)
endfunction()

# For a folder whose time is that of what it calls: half of its compile time is -O2's.
function(compile_quickly target)
  target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O1>)
endfunction()

# Every test program but tests/e2e's: what tests labelled fast need.
add_custom_target(fast_tests)

function(ponder_test name)
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  set_target_properties(${name} PROPERTIES UNITY_BUILD OFF)
  target_link_libraries(${name} PRIVATE ${ARG_LINK} ponder_testing GTest::gtest GTest::gtest_main)
  add_dependencies(fast_tests ${name})
  compile_quickly(${name})  # what is tested is optimised
  # Properties (RapidCheck) draw the same cases in every run of the suite; a program run by hand draws
  # new ones, or those of its own RC_PARAMS.
  gtest_discover_tests(${name} TEST_FILTER "-Slow*" TEST_LIST ${name}_fast
    PROPERTIES LABELS fast TIMEOUT 300 ENVIRONMENT "RC_PARAMS=seed=20 max_success=2000" DISCOVERY_TIMEOUT 60)
  gtest_discover_tests(${name} TEST_FILTER "Slow*" TEST_LIST ${name}_slow
    PROPERTIES LABELS slow TIMEOUT 900 DISCOVERY_TIMEOUT 60)
endfunction()
