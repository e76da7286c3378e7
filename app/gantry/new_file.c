/* SPDX-License-Identifier: BSD-3-Clause */
/* Files that appear whole or not at all; see new_file.h. */
#include "new_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Opens a temporary file beside f->name, with the rights that a new file gets here. */
static FILE *open_temporary(struct gt_new_file *f)
{
	mode_t mask = umask(0);
	FILE *stream = NULL;
	int fd;

	umask(mask);
	if (asprintf(&f->temporary, "%s.XXXXXX", f->name) < 0) {
		f->temporary = NULL;
		return NULL;
	}
	fd = mkostemp(f->temporary, O_CLOEXEC);
	if (fd < 0) {
		free(f->temporary);
		f->temporary = NULL;
		return NULL;
	}
	if (fchmod(fd, 0666 & ~mask) == 0)
		stream = fdopen(fd, "w");
	if (stream == NULL)
		close(fd);
	return stream;
}

int gt_new_file_open(struct gt_new_file *f, const char *name)
{
	struct stat st;

	*f = (struct gt_new_file){.name = strdup(name)};
	if (f->name != NULL) {
		if (lstat(name, &st) == 0 && !S_ISREG(st.st_mode))
			f->stream = fopen(name, "w");
		else
			f->stream = open_temporary(f);
	}
	if (f->stream == NULL) {
		fprintf(stderr, "gantry: cannot write %s: %s\n", name, strerror(errno));
		gt_new_file_discard(f);
		return -1;
	}
	return 0;
}

int gt_new_file_commit(struct gt_new_file *f)
{
	bool failed = ferror(f->stream) != 0;
	int rc = -1;

	errno = f->error != 0 ? f->error : EIO;
	failed = fclose(f->stream) != 0 || failed;
	f->stream = NULL;
	if (!failed && (f->temporary == NULL || rename(f->temporary, f->name) == 0)) {
		/* It has its name: nothing is left to remove. */
		free(f->temporary);
		f->temporary = NULL;
		rc = 0;
	} else {
		fprintf(stderr, "gantry: cannot write %s: %s\n", f->name, strerror(errno));
	}
	gt_new_file_discard(f);
	return rc;
}

void gt_new_file_discard(struct gt_new_file *f)
{
	if (f->stream != NULL)
		fclose(f->stream);
	if (f->temporary != NULL)
		unlink(f->temporary);
	free(f->temporary);
	free(f->name);
	*f = (struct gt_new_file){0};
}
