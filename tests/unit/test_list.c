/* SPDX-License-Identifier: MIT */
#include "base/list.h"

#include "base/alloc.h"
#include "unit.h"

typedef struct item {
  int number;
  e2b__list_t node;
} item;

static int number_of(e2b__list_t *node) {
  return E2B__CONTAINER(node, item, node)->number;
}

static void takes_in_the_order_of_appending(void **state) {
  (void)state;
  e2b__list_t list;
  item items[3] = {{1, {NULL, NULL}}, {2, {NULL, NULL}}, {3, {NULL, NULL}}};
  e2b__list_init(&list);
  assert_true(e2b__list_empty(&list));
  for (int i = 0; i < 3; i++)
    e2b__list_append(&list, &items[i].node);
  for (int i = 1; i <= 3; i++)
    assert_int_equal(number_of(e2b__list_take(&list)), i);
  assert_null(e2b__list_take(&list));
}

static void removing_twice_does_no_harm(void **state) {
  (void)state;
  e2b__list_t list;
  item items[2] = {{1, {NULL, NULL}}, {2, {NULL, NULL}}};
  e2b__list_init(&list);
  for (int i = 0; i < 2; i++)
    e2b__list_append(&list, &items[i].node);
  e2b__list_remove(&items[0].node);
  e2b__list_remove(&items[0].node);
  assert_int_equal(number_of(e2b__list_take(&list)), 2);
  assert_true(e2b__list_empty(&list));
}

static void move_appends_all_and_leaves_nothing(void **state) {
  (void)state;
  e2b__list_t from, to;
  item items[3] = {{1, {NULL, NULL}}, {2, {NULL, NULL}}, {3, {NULL, NULL}}};
  e2b__list_init(&from);
  e2b__list_init(&to);
  e2b__list_move(&to, &from);
  assert_true(e2b__list_empty(&to));
  e2b__list_append(&to, &items[0].node);
  e2b__list_append(&from, &items[1].node);
  e2b__list_append(&from, &items[2].node);
  e2b__list_move(&to, &from);
  assert_true(e2b__list_empty(&from));
  for (int i = 1; i <= 3; i++)
    assert_int_equal(number_of(e2b__list_take(&to)), i);
  assert_true(e2b__list_empty(&to));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(takes_in_the_order_of_appending),
      cmocka_unit_test(removing_twice_does_no_harm),
      cmocka_unit_test(move_appends_all_and_leaves_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
