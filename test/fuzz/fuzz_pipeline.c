/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bytes as a story (test/unit/support_story.h) through one worker, or through three that hand
 * frames over, with connection tables so small that they are always full.
 */
#include "support_story.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct support_story stories[2];
	struct support_input in = {.p = data, .end = data + size};
	struct support_story *s;

	/* 8 places in 2 buckets would never find a stranger: a few more, still always full */
	for (unsigned i = 0; i < 2 && stories[i].pool == NULL; i++)
		support_story_open(&stories[i], &(struct support_story_params){
							.n_workers = 1 + 2 * i, .connections = 20});
	s = &stories[support_take(&in) & 1];
	support_story_begin(s);
	while (in.p < in.end)
		support_story_step(s, &in);
	support_story_end(s);
	return 0;
}
