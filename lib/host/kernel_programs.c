/* SPDX-License-Identifier: MIT */
#include "host/kernel.h"

/* The kernels' programs, as they stand in kernels/, inside the library. */

#ifndef E2B_KERNELS_DIR
#error "E2B_KERNELS_DIR must name the directory of the kernels' programs"
#endif

#define PART(file) ".incbin \"" E2B_KERNELS_DIR "/" file "\"\n"
#define LABEL(name)                     \
  ".global e2b__host_kernel_" name "\n" \
  ".hidden e2b__host_kernel_" name "\n" \
  "e2b__host_kernel_" name ":\n"
#define EMBED(name, parts) \
  __asm__(".section .rodata\n" LABEL(name) parts LABEL(name "_end") ".byte 0\n.previous\n")

EMBED("python", PART("python_lines.py") PART("python_results.py") PART("python_cells.py"));
EMBED("javascript", PART("javascript.js"));
EMBED("bash", PART("bash.sh"));

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
