/* SPDX-License-Identifier: MIT */
#include "host/kernel.h"

/* The kernels' programs, as they stand in kernels/, inside the library. */

#ifndef E2B_KERNELS_DIR
#error "E2B_KERNELS_DIR must name the directory of the kernels' programs"
#endif

#define EMBED(name, file)                              \
  __asm__(".section .rodata\n"                         \
          ".global e2b__host_kernel_" name "\n"        \
          ".hidden e2b__host_kernel_" name "\n"        \
          ".global e2b__host_kernel_" name "_end\n"    \
          ".hidden e2b__host_kernel_" name "_end\n"    \
          "e2b__host_kernel_" name ":\n"               \
          ".incbin \"" E2B_KERNELS_DIR "/" file "\"\n" \
          "e2b__host_kernel_" name "_end:\n"           \
          ".byte 0\n"                                  \
          ".previous\n")

EMBED("python", "python.py");
EMBED("javascript", "javascript.js");
EMBED("bash", "bash.sh");

extern const char e2b__host_kernel_python[], e2b__host_kernel_python_end[];
extern const char e2b__host_kernel_javascript[], e2b__host_kernel_javascript_end[];
extern const char e2b__host_kernel_bash[], e2b__host_kernel_bash_end[];

e2b__host_kernel_program_t e2b__host_kernel_program(e2b__host_kernel_language_t language) {
  const char *start = e2b__host_kernel_python, *end = e2b__host_kernel_python_end;
  switch (language) {
  case E2B__KERNEL_PYTHON: break;
  case E2B__KERNEL_JAVASCRIPT:
  case E2B__KERNEL_TYPESCRIPT:
    start = e2b__host_kernel_javascript;
    end = e2b__host_kernel_javascript_end;
    break;
  case E2B__KERNEL_BASH:
    start = e2b__host_kernel_bash;
    end = e2b__host_kernel_bash_end;
    break;
  }
  return (e2b__host_kernel_program_t){start, (size_t)(end - start)};
}
