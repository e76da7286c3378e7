/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The making of a model, in steps that share one state: build.c fills sections from the file's
 * lines, resolve.c turns names into places, validate.c, subnets.c, checks.c, claims.c, groups.c and
 * way_back.c check the whole. Each step reports all it finds and goes on; the next ones leave out
 * what was refused, so that one mistake is told once. Inside lib/config only.
 */
#ifndef GT_CONFIG_BUILD_H
#define GT_CONFIG_BUILD_H

#include "config/config.h"
#include "config/messages.h"
#include "config/schema.h"

/* A server before its VIP is known. */
struct gt_build_server {
	struct gt_config_server server;
	char vip[GT_NAME_MAX + 1];
	size_t vip_index;
};

struct gt_build {
	struct gt_config *config;
	struct gt_config_messages *messages;
	struct gt_build_server *servers; /* of all VIPs in file order; resolve.c empties it */
	size_t n_servers;
	unsigned budget; /* for guesses at mistyped words */
	bool no_memory;
	/* where build.c is in the file */
	const struct gt_schema_section *section; /* NULL: lines are nobody's */
	void *object;
	struct gt_config_lines *lines;
	unsigned line; /* of the section */
	bool any_heading;
	bool spoilt; /* a line of the section was refused: do not call its keys missing */
	const struct gt_schema_key *list; /* the list that the next line may continue */
	bool told_most[GT_SECTIONS];
};

/* What the structs of all named sections begin with. */
struct gt_build_head {
	char name[GT_NAME_MAX + 1];
	unsigned line;
	struct gt_config_lines lines;
};

/* In this order; validate, subnets and checks come before claims. 0 or -ENOMEM. */
int gt_build_read(struct gt_build *b, const char *text, size_t len);
int gt_build_resolve(struct gt_build *b);
int gt_build_claims(struct gt_build *b);
int gt_build_groups(struct gt_build *b);
int gt_build_way_back(struct gt_build *b);

/* The rule of keys that mean something only with some values of another (schema: `when`). */
void gt_build_when(struct gt_build *b, const struct gt_schema_section *s, const void *object,
		   const struct gt_config_lines *lines);
void gt_build_validate(struct gt_build *b);
void gt_build_subnets(struct gt_build *b);
void gt_build_checks(struct gt_build *b);

/* Frees what a section's struct owns, not the struct itself. */
void gt_build_release(const struct gt_schema_section *section, void *object);

#endif
