/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_ISOLATION_H
#define E2B_LIB_HOST_ISOLATION_H

#include <sys/types.h>

#include "host/sandbox.h"

/* What keeps a sandbox apart: its namespaces (made by bubblewrap), its root directory, its /etc. */

/* In the sandbox. */
#define E2B__SANDBOX_HOME "/home/user"
#define E2B__SANDBOX_BIN  "/opt/e2b/bin"
#define E2B__SANDBOX_ETC  "/opt/e2b/etc"
/* In host->etc_dir: over the one of the Python environment. */
#define E2B__ETC_PYVENV     "e2b-pyvenv.cfg"
#define E2B__SANDBOX_PYTHON "/opt/e2b/python"

enum { E2B__SANDBOX_UID = 1000 };

/* Finds out what this machine allows and sets host->isolation; with nothing it allows, E2B_ESYSTEM
 * and `why`. */
int e2b__host_isolation_probe(e2b_host_t *host, char *why, size_t why_size);
/* The program of the spawner in memory, sealed; host->spawner_fd. */
int e2b__host_isolation_load_spawner(e2b_host_t *host);
/* Builds the directory from which each sandbox's /etc is made; sandboxes see it, read-only, as
 * E2B__SANDBOX_ETC. */
int e2b__host_etc_build(e2b_host_t *host, char *why, size_t why_size);
/* Makes the /etc of a root directory: its own files, and links to the large directories that all
 * sandboxes share. 0 or -1 with errno. */
int e2b__host_etc_copy(const e2b_host_t *host, const char *root);

/* Whether sandboxes can run what python_dir has; if not, E2B_EINVAL and `why`. */
int e2b__host_python_check(const e2b_host_t *host, char *why, size_t why_size);

/* Builds the directory of programs that all sandboxes share. */
int e2b__host_isolation_make_bin(e2b_host_t *host);

/* Makes the sandbox's directory and root directory; sets dir and home. */
int e2b__host_isolation_make_root(e2b__host_sandbox_t *sandbox);
/* The command line of its first process, in the arena. NULL when out of memory. */
char **e2b__host_isolation_command(e2b__host_sandbox_t *sandbox, e2b__arena_t *arena);

/* Ids of the sandbox as the machine knows them. */
uid_t e2b__host_machine_uid(const e2b_host_t *host, uid_t uid);
/* The name of a machine's id inside the sandbox: "root", "user", or a number. */
void e2b__host_owner_name(const e2b_host_t *host, uid_t machine_uid, char name[16]);

#endif
