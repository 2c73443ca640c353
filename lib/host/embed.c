/* SPDX-License-Identifier: MIT */

/* The spawner's program, as the build made it, inside the library: so it is always found, and
 * always of the same build. */

#ifndef E2B_SPAWNER_FILE
#error "E2B_SPAWNER_FILE must name the spawner's program"
#endif

__asm__(".section .rodata\n"
        ".global e2b__host_spawner_start\n"
        ".hidden e2b__host_spawner_start\n"
        ".global e2b__host_spawner_end\n"
        ".hidden e2b__host_spawner_end\n"
        ".balign 16\n"
        "e2b__host_spawner_start:\n"
        ".incbin \"" E2B_SPAWNER_FILE "\"\n"
        "e2b__host_spawner_end:\n"
        ".byte 0\n"
        ".previous\n");

extern const unsigned char e2b__host_spawner_start[];
