/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program that was built for a newer CPU (-Dcpu) ends by one clear line on an older one, not by
 * an illegal instruction. Compiled for any x86-64, and run before everything else of the program.
 */
#include <unistd.h>

#define HAS(feature) (__builtin_cpu_supports(feature) != 0)

static int has_v3(void)
{
	return HAS("avx2") && HAS("bmi") && HAS("bmi2") && HAS("fma");
}

static int has_v4(void)
{
	return has_v3() && HAS("avx512f") && HAS("avx512bw") && HAS("avx512cd") &&
	       HAS("avx512dq") && HAS("avx512vl");
}

static void tell(const char *text, size_t len)
{
	/* Nothing can be done if nobody reads it. */
	if (write(STDERR_FILENO, text, len) < 0)
		return;
}

#define TELL(text) tell(text, sizeof(text) - 1)

static __attribute__((constructor(101))) void check_cpu(void)
{
	__builtin_cpu_init();
	if (GT_CPU_LEVEL == 4 ? has_v4() : has_v3())
		return;
	TELL("this program was built for newer CPUs than this one (meson -Dcpu): build it with "
	     "-Dcpu=v2, or with -Dcpu=native on this machine\n");
	_exit(1);
}
