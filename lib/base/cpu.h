/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the CPU at hand can, beyond what this build is for: whoever has several builds of the same
 * function chooses by this, once, at the start. Each has a portable twin.
 */
#ifndef GT_BASE_CPU_H
#define GT_BASE_CPU_H

#include <stdbool.h>

/* AES-NI. Any caller. */
static inline bool gt_cpu_has_aes(void)
{
#if defined(__x86_64__)
	return __builtin_cpu_supports("aes");
#else
	return false;
#endif
}

/* All that files compiled by meson.build's burst_kinds['avx2'] use. Any caller. */
static inline bool gt_cpu_has_avx2(void)
{
#if defined(__x86_64__)
	return gt_cpu_has_aes() && __builtin_cpu_supports("avx2") &&
	       __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
#else
	return false;
#endif
}

#endif
