# embed_text(OUT file.cc NAMESPACE consort::x FUNCTION name FILES a.json b.json)
#
# Writes a source that defines `std::span<const std::string_view> FUNCTION()`: the text of each file.
function(embed_text)
  cmake_parse_arguments(ARG "" "OUT;NAMESPACE;FUNCTION" "FILES" ${ARGN})
  set(items "")
  foreach(file ${ARG_FILES})
    file(READ ${file} text)
    string(APPEND items "    R\"embedded(${text})embedded\",\n")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  endforeach()
  file(CONFIGURE OUTPUT ${ARG_OUT} @ONLY CONTENT "#include <span>
#include <string_view>

namespace @ARG_NAMESPACE@ {
std::span<const std::string_view> @ARG_FUNCTION@() {
  static constexpr std::string_view kTexts[] = {
@items@  };
  return kTexts;
}
}  // namespace @ARG_NAMESPACE@
")
endfunction()
