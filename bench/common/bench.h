/* SPDX-License-Identifier: MIT */
#ifndef E2B_BENCH_BENCH_H
#define E2B_BENCH_BENCH_H

#include <stdbool.h>
#include <stdint.h>

/* What every program of the benchmark in C shares, ours and the floors: options as name=value, the
 * measuring of this process, and one line of JSON that the driver reads. */

void bench_init(int argc, char **argv);
uint64_t bench_number(const char *name, uint64_t fallback);
/* An environment variable that has to be there. */
const char *bench_env(const char *name);
void bench_die(const char *why);

/* After the warm-up: from here on CPU time, wall time and latencies count. */
void bench_start(void);
/* On the same clock in every process of this machine. */
uint64_t bench_now_us(void);
uint64_t bench_now_ns(void);
/* One operation took so long, or one event was so late. */
void bench_latency(uint64_t us);
void bench_latency_ns(uint64_t ns);
/* A further number of this program in the line. */
void bench_note(const char *name, double value);
/* Memory of this process that is resident now. */
uint64_t bench_resident_bytes(void);
/* Prints the line; what main() returns. */
int bench_finish(uint64_t operations, uint64_t bytes, uint64_t failed);

#endif
