/* SPDX-License-Identifier: BSD-3-Clause */
/* The frames of a story; see support_story.h. */
#ifndef GT_TEST_SUPPORT_STORY_FRAMES_H
#define GT_TEST_SUPPORT_STORY_FRAMES_H

#include "support_story.h"

/* One frame: how it is made, where it comes in, how much of it is there. To be freed by
 * support_pipe_done. */
struct gt_frame support_story_frame(const struct support_story *s, struct support_input *in,
				    uint8_t how);

#endif
