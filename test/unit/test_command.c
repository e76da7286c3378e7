/* SPDX-License-Identifier: BSD-3-Clause */
/* Command lines as the C library's wordexp(3) splits them, by the rules of a shell; and what is
 * refused, for it needs a shell. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <wordexp.h>

#include <cmocka.h>

#include "probe/command.h"

static void split_as_a_shell_does(void **state)
{
	static const char *const lines[] = {
		"check-pacs",
		"/usr/local/bin/check-pacs --fast -t 3",
		"  a \t b  ",
		"a 'b c' \"d e\"",
		"a b'c'\"d\"e",
		"a ''",
		"a \"\" b",
		"a '\\x\"$HOME`|'",
		"a \"'\" '\"'",
		"a \"\\\"\\\\\\$\\`\\n\"",
		"a \\b\\ c\\'d \\\\",
		"a x#y x~y",
		"a \\# \\* \\| \\$x",
		"a -u http://192.0.2.11/health",
		"a =,:@%+!^._-",
		"'/opt/a b/c' x",
		"\\a",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char **argv;
		const char *why = NULL;
		wordexp_t w;
		size_t n = 0;

		assert_int_equal(wordexp(lines[i], &w, WRDE_NOCMD | WRDE_UNDEF), 0);
		assert_int_equal(gt_command_split(lines[i], &argv, &why), 0);
		for (; argv[n] != NULL; n++) {
			assert_true(n < w.we_wordc);
			assert_string_equal(argv[n], w.we_wordv[n]);
		}
		assert_int_equal(n, w.we_wordc);
		free(argv);
		wordfree(&w);
	}
}

static void split_what_needs_a_shell_refused(void **state)
{
	static const char *const lines[] = {
		"a | b", "a|b",		"a && b",    "a; b", "a > /dev/null", "a < b",	 "a $(b)",
		"a `b`", "a $HOME",	"a *.hl7",   "a b?", "a [b]",	      "a {b,c}", "a # b",
		"~/a",	 "a \"$HOME\"", "a \"`b`\"", "(a)",  "a &",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char **argv;
		const char *why = NULL;

		assert_int_equal(gt_command_split(lines[i], &argv, &why), -EINVAL);
		assert_null(argv);
		assert_non_null(strstr(why, "there is no shell"));
	}
}

/* What wordexp calls a syntax error, too. */
static void split_open_quotes_refused(void **state)
{
	static const char *const lines[] = {"a 'b", "a \"b", "a \"b\\\"", "a 'b' c'"};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char **argv;
		const char *why;
		wordexp_t w;

		assert_int_equal(wordexp(lines[i], &w, WRDE_NOCMD), WRDE_SYNTAX);
		assert_int_equal(gt_command_split(lines[i], &argv, &why), -EINVAL);
		assert_non_null(strstr(why, "has no second one"));
	}
}

static void split_no_program_refused(void **state)
{
	static const char *const lines[] = {"", "  ", "''", "\"\" a", "a \\"};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char **argv;
		const char *why;

		assert_int_equal(gt_command_split(lines[i], &argv, &why), -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(split_as_a_shell_does),
		cmocka_unit_test(split_what_needs_a_shell_refused),
		cmocka_unit_test(split_open_quotes_refused),
		cmocka_unit_test(split_no_program_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
