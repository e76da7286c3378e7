/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The schema: one table of all sections and keys. It parses and types values, gives defaults, makes
 * the error texts, tells what this version cannot do yet, and writes docs/configuration.md. A new
 * key is one row. Inside lib/config only.
 */
#ifndef GT_CONFIG_SCHEMA_H
#define GT_CONFIG_SCHEMA_H

#include "config/config.h"
#include "config/messages.h"

enum gt_section {
	GT_SECTION_GANTRY,
	GT_SECTION_INTERFACE,
	GT_SECTION_VIP,
	GT_SECTION_SERVER,
	GT_SECTION_CHECK,
	GT_SECTIONS
};

/* How a value is written, and what its field is. */
enum gt_type {
	GT_TYPE_NAME,	      /* char[GT_NAME_MAX + 1] */
	GT_TYPE_TEXT,	      /* char * */
	GT_TYPE_PATH,	      /* char *, a socket's path */
	GT_TYPE_NUMBER,	      /* uint16_t or uint32_t, by size */
	GT_TYPE_SEED,	      /* uint64_t, decimal or 0x */
	GT_TYPE_YES_NO,	      /* bool */
	GT_TYPE_ENUM,	      /* an enum */
	GT_TYPE_MILLISECONDS, /* uint32_t; min and max in ms */
	GT_TYPE_SECONDS,      /* uint32_t; min and max in ms, too */
	GT_TYPE_ADDRESS,      /* struct gt_addr */
	GT_TYPE_PREFIX,	      /* struct gt_prefix */
	GT_TYPE_GATEWAY,      /* gateway4 or gateway6 of an interface */
	GT_TYPE_PORT,	      /* uint16_t */
	GT_TYPE_PORTS,	      /* struct gt_port_range */
	GT_TYPE_MAC,	      /* struct gt_mac, `extra` its flag */
	GT_TYPE_CORE,	      /* int */
	GT_TYPE_CORES,	      /* int; a range stands for several */
	GT_TYPE_DEVICE,	      /* char * */
	GT_TYPE_TAP,	      /* char *; NULL for "no" */
	GT_TYPE_AE_TITLE,     /* char[17] */
	GT_TYPE_ACKS,	      /* char *: HL7 acknowledgment codes */
	GT_TYPE_STATUS,	      /* uint16_t, `extra` the last one */
	GT_TYPE_URL_PATH,     /* char * */
	GT_TYPE_HOST,	      /* char * */
	GT_TYPE_LISTEN,	      /* char *: address and port; NULL for "no" */
	GT_TYPES
};

struct gt_schema_value {
	const char *name; /* NULL ends the list */
	int value;
};

#define GT_NO_OFFSET UINT16_MAX

struct gt_schema_key {
	const char *name;
	enum gt_type type;
	uint16_t offset, size; /* of the field in its section's struct; lists: of the pointer */
	uint16_t extra;	       /* of a second field: a flag, a list's length; or GT_NO_OFFSET */
	bool required;
	bool list;	   /* comma-separated, and may go on in the next line */
	bool may_be_empty; /* `key =` is a value */
	bool settled;	   /* at the start: a reload cannot change it */
	uint32_t min, max; /* of numbers and durations; of lists, max is the most elements */
	const char *unit;  /* of numbers, for people */
	const struct gt_schema_value *values; /* of GT_TYPE_ENUM */
	const char *def;		      /* as a file would say it; NULL: none */
	const char *def_help;		      /* for people, where def does not tell */
	/* Where another key (an enum) decides whether this one means anything: its name, and a bit
	 * for each of its values. when_error: written without meaning, it is an error and not a
	 * warning. */
	const char *when;
	uint32_t when_values;
	bool when_error;
	/* What of it this version cannot do, and what works instead; NULL: it does all. */
	const char *later;
	const char *example; /* a good value */
	const char *help;    /* for the reference: Markdown, one paragraph */
};

struct gt_schema_section {
	const char *name;
	const char *title; /* as written: "[vip NAME]" */
	const char *help;
	size_t size;			  /* of its struct */
	size_t lines;			  /* offset of its struct gt_config_lines */
	size_t most;			  /* sections of this kind */
	const struct gt_schema_key *keys; /* name NULL ends the list */
};

extern const struct gt_schema_section gt_schema[GT_SECTIONS];

/* Enumerations as the file writes them. */
extern const struct gt_schema_value gt_schema_protocols[], gt_schema_modes[], gt_schema_policies[],
	gt_schema_schedulers[], gt_schema_persistences[], gt_schema_on_downs[],
	gt_schema_encapsulations[], gt_schema_admins[], gt_schema_check_types[],
	gt_schema_on_rejects[], gt_schema_vias[], gt_schema_idles[];

/* Is the field a char * of its own? */
bool gt_schema_is_text(enum gt_type type);

/* The name of an enumeration's value; "?" if there is none. */
const char *gt_schema_value_name(const struct gt_schema_value *values, int value);

/* NULL: there is no such section, key. */
const struct gt_schema_section *gt_schema_find_section(const char *name);
const struct gt_schema_key *gt_schema_find_key(const struct gt_schema_section *s, const char *name);

/* The section's key that fills the field at `offset`; there is one. Its number is key - s->keys. */
const struct gt_schema_key *gt_schema_key_at(const struct gt_schema_section *s, size_t offset);

/* Line of a key, or of its section if it is not written: where a message about it belongs. */
#define GT_LINE(section, object, field)                                                            \
	gt_schema_line(&gt_schema[section], offsetof(__typeof__(*(object)), field),                \
		       &(object)->lines, (object)->line)
unsigned gt_schema_line(const struct gt_schema_section *s, size_t offset,
			const struct gt_config_lines *lines, unsigned section_line);

/* Is the key in the file? */
#define GT_WRITTEN(section, object, field)                                                         \
	(gt_schema_line(&gt_schema[section], offsetof(__typeof__(*(object)), field),               \
			&(object)->lines, 0) != 0)

/* Does the field hold a value that stands: one that was accepted, or a default? */
#define GT_STANDS(section, object, field)                                                          \
	gt_schema_stands(&gt_schema[section], offsetof(__typeof__(*(object)), field),              \
			 &(object)->lines)
bool gt_schema_stands(const struct gt_schema_section *s, size_t offset,
		      const struct gt_config_lines *lines);

/* Marks a key's value as refused, so that no later rule judges it. */
#define GT_REFUSE(section, object, field)                                                          \
	((object)->lines.wrong |=                                                                  \
	 1U << (gt_schema_key_at(&gt_schema[section], offsetof(__typeof__(*(object)), field)) -    \
		gt_schema[section].keys))

/* A refusal in words, for "KEY = VALUE: ...". */
#define GT_WHY_MAX 400

/*
 * Types one value, or one element of a list, into its field of `object`. 0; -EINVAL with `why`
 * (what is wrong and what would be right); -ENOMEM. A list's element is appended.
 */
int gt_value_parse(const struct gt_schema_key *key, const char *text, void *object,
		   char why[GT_WHY_MAX], unsigned *budget);

/* What a good value looks like, as the end of "write ...". Returns buf. */
char *gt_value_expected(const struct gt_schema_key *key, char *buf, size_t size);

/* A duration as a file would say it: "200ms", "5s". Returns buf. */
char *gt_value_duration(uint32_t ms, char *buf, size_t size);

/* Is it a name: letters, digits, '.', '_', '-', at most GT_NAME_MAX? */
bool gt_value_is_name(const char *text);

#endif
