/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

/* Gives every file of the directories named as arguments to the fuzz target, once. A target stops
 * the program when something is wrong. */

static int replay_file(const char *path) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) {
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    return 1;
  }
  fseek(file, 0, SEEK_END);
  long size = ftell(file);
  rewind(file);
  /* Memory of the very size, so that the sanitizer sees a step past the end. */
  uint8_t *data = malloc(size > 0 ? (size_t)size : 1);
  size_t len = data != NULL && size > 0 ? fread(data, 1, (size_t)size, file) : 0;
  fclose(file);
  if (data != NULL) LLVMFuzzerTestOneInput(data, len);
  free(data);
  return data == NULL;
}

static int replay_directory(const char *path) {
  DIR *directory = opendir(path);
  struct dirent *entry;
  int files = 0, failed = 0;
  if (directory == NULL) {
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    return 1;
  }
  while ((entry = readdir(directory)) != NULL) {
    char name[4096];
    if (entry->d_name[0] == '.') continue;
    snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
    failed |= replay_file(name);
    files++;
  }
  closedir(directory);
  printf("%s: %d inputs\n", path, files);
  return failed || files == 0;
}

int main(int argc, char **argv) {
  int failed = argc < 2;
  for (int i = 1; i < argc; i++)
    failed |= replay_directory(argv[i]);
  return failed;
}
