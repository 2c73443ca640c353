# SPDX-License-Identifier: MIT
# cmake -DPROGRAM=<file> -DOUTPUT=<file.c> -P embed-agent.cmake: the program as C source. Plain C
# rather than an assembler's .incbin, so that its hash comes from the same bytes at the same time,
# and no compiler or object format needs to be known here. Without PROGRAM the image is empty.
set(size 0)
set(bytes "0")
set(hash "")
if(PROGRAM)
  file(SIZE ${PROGRAM} size)
  file(SHA256 ${PROGRAM} hash)
  string(SUBSTRING ${hash} 0 16 hash)
  file(READ ${PROGRAM} bytes HEX)
  string(REGEX REPLACE "(................................)" "\\1\n" bytes "${bytes}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
endif()
file(WRITE ${OUTPUT} "/* SPDX-License-Identifier: MIT */
/* Made by the build. */
#include \"terminal/agent_image.h\"

const size_t e2b__agent_image_size = ${size};
const char e2b__agent_image_hash[] = \"${hash}\";
const unsigned char e2b__agent_image[] = {
${bytes}
};
")
