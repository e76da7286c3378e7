/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line of `gantry replay`; see replay_options.h. */
#include "replay_options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "config/compare.h"
#include "load.h"
#include "version.h"

#define NS_PER_S	1000000000LL
#define EVENT_S_MAX	1000000000LL /* 31 years after the first frame */
#define NAMES_SHOWN_MAX 16	     /* of what exists, in a message */

static void usage(FILE *out)
{
	fputs("usage: gantry replay CONFIG --in IF=FILE [--in IF=FILE...] [--out IF=FILE...]\n"
	      "                     [--event T:ACTION...] [--mac IF=MAC...] [--report FILE]\n"
	      "\n"
	      "Runs captures through the packet core that `gantry run` uses: no root, no "
	      "hugepages,\n"
	      "no NIC. Time is the captures' time, and the same captures, configuration and "
	      "events\n"
	      "give the same bytes. All servers begin up; checks are not run. A table of what "
	      "became\n"
	      "of the frames goes to stdout, changes of state to stderr.\n"
	      "\n"
	      "  --in IF=FILE     FILE holds the frames that came in by interface IF: pcap or "
	      "pcapng\n"
	      "                   of Ethernet, - is stdin. Several are merged by time; at equal "
	      "times\n"
	      "                   the one that is written first here goes first\n"
	      "  --out IF=FILE    write the frames that leave by IF to FILE: pcap with "
	      "nanoseconds,\n"
	      "                   each with the time of the frame that caused it\n"
	      "  --event T:ACTION do ACTION before the first frame that comes T seconds (a "
	      "fraction\n"
	      "                   is allowed) or more after the first one. Events behind the last\n"
	      "                   frame happen at the end, before the report. Actions:\n"
	      "                     up:VIP/SERVER       it is healthy\n"
	      "                     down:VIP/SERVER     it is not\n"
	      "                     drain:VIP/SERVER    it keeps its connections, gets no new "
	      "ones\n"
	      "                     enable:VIP/SERVER   it gets new ones again\n"
	      "                     disable:VIP/SERVER  it gets nothing\n"
	      "                     weight:VIP/SERVER=N its weight is N, 0 to 65535\n"
	      "                     reload:CONFIG       this configuration takes over\n"
	      "  --mac IF=MAC     IF has this MAC, whatever the configuration says: the one that "
	      "the\n"
	      "                   captured frames are for, as `gantryctl interfaces` tells it\n"
	      "  --report FILE    write the numbers to FILE as JSON\n"
	      "  --help           this text\n"
	      "  --version        the version\n"
	      "\n"
	      "exit code: 0 done; 1 it failed while running, or a capture was cut or damaged (what "
	      "is\n"
	      "before that is replayed); 2 wrong use or a wrong configuration\n",
	      out);
}

static int wrong(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* One clear sentence, and the exit code of wrong use. */
static int wrong(const char *fmt, ...)
{
	va_list ap;

	fputs("gantry replay: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return GT_EXIT_USAGE;
}

static int no_memory(void)
{
	fputs("gantry replay: no memory\n", stderr);
	return GT_EXIT_FAILED;
}

/* Which interface "IF=FILE" (or what stands for FILE in `form`) names, and where that begins. -1,
 * or an exit code with a message. */
static int read_interface(const struct gt_config *config, const char *option, const char *form,
			  const char *arg, uint8_t *interface, const char **file)
{
	const char *equals = strchr(arg, '=');
	char names[1024];
	size_t used = 0;

	if (equals == NULL || equals == arg || equals[1] == '\0')
		return wrong("%s %s: write it as %s %s", option, arg, option, form);
	*file = equals + 1;
	for (size_t i = 0; i < config->n_interfaces; i++) {
		const char *name = config->interfaces[i].name;

		if (strlen(name) == (size_t)(equals - arg) &&
		    strncmp(name, arg, (size_t)(equals - arg)) == 0) {
			*interface = (uint8_t)i;
			return -1;
		}
		/* GT_INTERFACES_MAX names fit, but for absurdly long ones, which are cut. */
		if (used < sizeof(names))
			used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s",
						 i > 0 ? ", " : "", name);
	}
	return wrong("%s %s: no interface '%.*s' in %s; there are: %s", option, arg,
		     (int)(equals - arg), arg, config->file, names);
}

static int add_input(struct gt_replay_options *o, const char *arg)
{
	struct gt_replay_input input, *inputs;
	int rc = read_interface(o->config, "--in", "IF=FILE, an interface and a file", arg,
				&input.interface, &input.file);

	if (rc >= 0)
		return rc;
	for (size_t i = 0; i < o->n_inputs; i++)
		if (strcmp(input.file, "-") == 0 && strcmp(o->inputs[i].file, "-") == 0)
			return wrong("--in %s: stdin can be read by one --in only", arg);
	inputs = reallocarray(o->inputs, o->n_inputs + 1, sizeof(*inputs));
	if (inputs == NULL)
		return no_memory();
	o->inputs = inputs;
	inputs[o->n_inputs++] = input;
	return -1;
}

static int add_output(struct gt_replay_options *o, const char *arg)
{
	const char *file;
	uint8_t interface;
	int rc = read_interface(o->config, "--out", "IF=FILE, an interface and a file", arg,
				&interface, &file);

	if (rc >= 0)
		return rc;
	if (strcmp(file, "-") == 0)
		return wrong("--out %s: stdout carries the table; give a file", arg);
	if (o->outputs[interface] != NULL)
		return wrong("--out %s: interface %s has an output already, %s", arg,
			     o->config->interfaces[interface].name, o->outputs[interface]);
	o->outputs[interface] = file;
	return -1;
}

static int add_mac(struct gt_replay_options *o, const char *arg)
{
	const char *text;
	struct gt_mac mac;
	uint8_t interface;
	int rc = read_interface(o->config, "--mac", "IF=MAC, an interface and its MAC", arg,
				&interface, &text);

	if (rc >= 0)
		return rc;
	if (gt_mac_parse(text, &mac) != 0 || (mac.b[0] & 1) != 0)
		return wrong("--mac %s: '%s' is no MAC of a station, like 02:00:00:00:00:01", arg,
			     text);
	if (o->macs[interface].given)
		return wrong("--mac %s: interface %s has one already", arg,
			     o->config->interfaces[interface].name);
	o->macs[interface] = (struct gt_replay_mac){true, mac};
	return -1;
}

/* What was said of MACs goes for every configuration: a reload must find the same interfaces. */
static void put_macs(const struct gt_replay_options *o, struct gt_config *config)
{
	for (size_t i = 0; i < config->n_interfaces; i++) {
		if (!o->macs[i].given)
			continue;
		config->interfaces[i].has_mac = true;
		config->interfaces[i].mac = o->macs[i].mac;
	}
}

static int set_report(struct gt_replay_options *o, const char *arg)
{
	if (o->report != NULL)
		return wrong("--report %s: there is one already, %s", arg, o->report);
	if (*arg == '\0' || strcmp(arg, "-") == 0)
		return wrong("--report '%s': stdout carries the table; give a file", arg);
	o->report = arg;
	return -1;
}

/*
 * Seconds with up to nine decimals, digit by digit: a binary fraction would miss the frame at
 * exactly that time. NULL: not such a number; else what follows it.
 */
static const char *read_seconds(const char *s, int64_t *ns)
{
	int64_t value = 0, unit = NS_PER_S;

	if (*s < '0' || *s > '9')
		return NULL;
	for (; *s >= '0' && *s <= '9'; s++) {
		value = value * 10 + (*s - '0');
		if (value > EVENT_S_MAX)
			return NULL;
	}
	value *= NS_PER_S;
	if (*s == '.') {
		if (s[1] < '0' || s[1] > '9')
			return NULL;
		for (s++; *s >= '0' && *s <= '9'; s++) {
			unit /= 10;
			if (unit == 0)
				return NULL;
			value += (*s - '0') * unit;
		}
	}
	*ns = value;
	return s;
}

static const struct {
	const char *name;
	enum gt_node_action action;
} actions[] = {
	{"up", GT_ACTION_UP},	      {"down", GT_ACTION_DOWN},	      {"drain", GT_ACTION_DRAIN},
	{"enable", GT_ACTION_ENABLE}, {"disable", GT_ACTION_DISABLE}, {"weight", GT_ACTION_WEIGHT},
};

/* Reads VIP/SERVER, with weight =N behind it, into the event. */
static int read_server(struct gt_replay_event *e, const char *target)
{
	const char *end = target + strlen(target);

	if (e->action == GT_ACTION_WEIGHT) {
		const char *equals = strrchr(target, '=');
		char *rest;

		if (equals == NULL)
			return wrong("--event %s: write it as T:weight:VIP/SERVER=N", e->text);
		errno = 0;
		e->weight = strtol(equals + 1, &rest, 10);
		if (equals[1] < '0' || equals[1] > '9' || *rest != '\0' || errno != 0 ||
		    e->weight > 65535)
			return wrong("--event %s: '%s' is no weight, which is 0 to 65535", e->text,
				     equals + 1);
		end = equals;
	}
	e->server = strndup(target, (size_t)(end - target));
	return e->server == NULL ? no_memory() : -1;
}

/* Reads T:ACTION; names are judged later, when all events are known. */
static int read_event(struct gt_replay_event *e, const char *arg)
{
	const char *s, *colon;

	*e = (struct gt_replay_event){.text = arg};
	if (*arg == '-')
		return wrong("--event %s: T is seconds after the first frame and not negative",
			     arg);
	s = read_seconds(arg, &e->at_ns);
	if (s == NULL)
		return wrong("--event %s: T is seconds after the first frame, like 5 or 0.25, at "
			     "most nine decimals and %lld s",
			     arg, EVENT_S_MAX);
	colon = *s == ':' ? strchr(s + 1, ':') : NULL;
	if (colon == NULL || colon[1] == '\0')
		return wrong("--event %s: write it as T:ACTION:WHAT, like 5:down:VIP/SERVER", arg);
	s++;
	if (strncmp(s, "reload:", 7) == 0) {
		e->reload = colon + 1;
		return -1;
	}
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (strlen(actions[i].name) == (size_t)(colon - s) &&
		    strncmp(s, actions[i].name, (size_t)(colon - s)) == 0) {
			e->action = actions[i].action;
			return read_server(e, colon + 1);
		}
	return wrong("--event %s: no action '%.*s'; there are: up, down, drain, enable, disable, "
		     "weight, reload",
		     arg, (int)(colon - s), s);
}

static int add_event(struct gt_replay_options *o, const char *arg)
{
	struct gt_replay_event *events = reallocarray(o->events, o->n_events + 1, sizeof(*events));
	int rc;

	if (events == NULL)
		return no_memory();
	o->events = events;
	rc = read_event(&events[o->n_events], arg);
	events[o->n_events].order = o->n_events;
	o->n_events++;
	return rc;
}

/* Is there a server VIP/SERVER? Else says which there are. -1, or an exit code. */
static int judge_server(const struct gt_config *config, const struct gt_replay_event *e)
{
	char names[NAMES_SHOWN_MAX * (2 * GT_NAME_MAX + 4) + 8] = "";
	size_t used = 0, shown = 0;

	for (size_t i = 0; i < config->n_vips; i++) {
		const struct gt_config_vip *vip = &config->vips[i];

		for (size_t j = 0; j < vip->n_servers; j++) {
			char name[2 * GT_NAME_MAX + 2];

			snprintf(name, sizeof(name), "%s/%s", vip->name, vip->servers[j].name);
			if (strcmp(name, e->server) == 0)
				return -1;
			if (shown++ < NAMES_SHOWN_MAX)
				used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s",
							 used > 0 ? ", " : "", name);
		}
	}
	return wrong("--event %s: no server '%s' in %s then; there are: %s%s", e->text, e->server,
		     config->file, names, shown > NAMES_SHOWN_MAX ? ", ..." : "");
}

/* A reload that gt_node_reload would refuse is told before the replay begins. -1, or an exit code
 * with a message. Memory for mode snat is there: replay takes it if any configuration wants it. */
static int judge_reload(const struct gt_config *from, const struct gt_config *to,
			const struct gt_replay_event *e)
{
	struct gt_config_messages messages = {0};
	int rc = gt_config_settled(from, to, GT_CONFIG_SNAT_V6, &messages);

	gt_tell_messages(to->file, &messages, false);
	gt_config_messages_free(&messages);
	return rc == 0 ? -1
		       : wrong("--event %s: a reload cannot lead to this from %s", e->text,
			       from->file);
}

static int compare_events(const void *a, const void *b)
{
	const struct gt_replay_event *x = a, *y = b;

	if (x->at_ns != y->at_ns)
		return x->at_ns < y->at_ns ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

/* Sorts the events and judges each against what is in force when it happens. -1, or an exit code.
 */
static int judge_events(struct gt_replay_options *o)
{
	const struct gt_config *in_force = o->config;
	int rc;

	if (o->n_events > 0)
		qsort(o->events, o->n_events, sizeof(*o->events), compare_events);
	for (size_t i = 0; i < o->n_events; i++) {
		struct gt_replay_event *e = &o->events[i];

		if (e->reload == NULL) {
			rc = judge_server(in_force, e);
			if (rc >= 0)
				return rc;
			continue;
		}
		rc = gt_load_config(e->reload, GT_LOAD_UNSUPPORTED_ERRORS, &e->config);
		if (rc != GT_EXIT_OK)
			return rc;
		put_macs(o, e->config);
		rc = judge_reload(in_force, e->config, e);
		if (rc >= 0)
			return rc;
		in_force = e->config;
	}
	return -1;
}

/* The command line as it stands: options are judged once the configuration, which may stand behind
 * them, is known. */
struct line {
	const char *config;
	size_t n;
	struct {
		char option;
		const char *arg;
	} * options;
};

/* Do the outputs and the report go to different files? -1, or an exit code with a message. */
static int judge_files(const struct gt_replay_options *o)
{
	for (size_t i = 0; i < GT_INTERFACES_MAX; i++) {
		const char *file = o->outputs[i];

		if (file == NULL || strcmp(file, "/dev/null") == 0)
			continue;
		for (size_t j = 0; j < i; j++)
			if (o->outputs[j] != NULL && strcmp(o->outputs[j], file) == 0)
				return wrong(
					"--out %s=%s: interface %s writes to that file already",
					o->config->interfaces[i].name, file,
					o->config->interfaces[j].name);
		if (o->report != NULL && strcmp(o->report, file) == 0)
			return wrong("--report %s: interface %s writes to that file already", file,
				     o->config->interfaces[i].name);
	}
	return -1;
}

/* -1: go on, or an exit code. */
static int read_line(struct line *l, int argc, char **argv)
{
	static const struct option longs[] = {
		{"in", required_argument, NULL, 'i'},	  {"out", required_argument, NULL, 'o'},
		{"event", required_argument, NULL, 'e'},  {"mac", required_argument, NULL, 'm'},
		{"report", required_argument, NULL, 'r'}, {"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},	  {NULL, 0, NULL, 0},
	};
	bool input = false;
	int c;

	opterr = 0;
	optind = 1;
	while ((c = getopt_long(argc, argv, ":h", longs, NULL)) != -1) {
		switch (c) {
		case 'h':
			usage(stdout);
			return GT_EXIT_OK;
		case 'V':
			puts("gantry " GT_VERSION);
			return GT_EXIT_OK;
		case ':':
			return wrong("%s needs a value (gantry replay --help)", argv[optind - 1]);
		case '?':
			return wrong("no option %s (gantry replay --help)", argv[optind - 1]);
		default:
			input = input || c == 'i';
			l->options[l->n].option = (char)c;
			l->options[l->n++].arg = optarg;
		}
	}
	if (optind == argc)
		return wrong("which CONFIG? (gantry replay --help)");
	if (optind + 1 < argc)
		return wrong("'%s' is one argument too many; options are --in, --out, --event, "
			     "--mac and --report",
			     argv[optind + 1]);
	if (!input)
		return wrong("needs at least one --in IF=FILE");
	l->config = argv[optind];
	return -1;
}

int gt_replay_options_read(struct gt_replay_options *o, int argc, char **argv)
{
	struct line l = {0};
	int rc;

	*o = (struct gt_replay_options){0};
	l.options = calloc((size_t)argc, sizeof(*l.options));
	rc = l.options == NULL ? no_memory() : read_line(&l, argc, argv);
	if (rc < 0) {
		rc = gt_load_config(l.config, GT_LOAD_UNSUPPORTED_ERRORS, &o->config);
		rc = rc == GT_EXIT_OK ? -1 : rc;
	}
	for (size_t i = 0; i < l.n && rc < 0; i++) {
		const char *arg = l.options[i].arg;

		switch (l.options[i].option) {
		case 'i':
			rc = add_input(o, arg);
			break;
		case 'o':
			rc = add_output(o, arg);
			break;
		case 'e':
			rc = add_event(o, arg);
			break;
		case 'm':
			rc = add_mac(o, arg);
			break;
		default:
			rc = set_report(o, arg);
		}
	}
	if (rc < 0)
		rc = judge_files(o);
	if (rc < 0) {
		put_macs(o, o->config);
		rc = judge_events(o);
	}
	free(l.options);
	return rc;
}

void gt_replay_options_free(struct gt_replay_options *o)
{
	for (size_t i = 0; i < o->n_events; i++) {
		gt_config_free(o->events[i].config);
		free(o->events[i].server);
	}
	free(o->events);
	free(o->inputs);
	gt_config_free(o->config);
	*o = (struct gt_replay_options){0};
}
