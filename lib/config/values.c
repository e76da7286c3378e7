/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Values: from text to the field that a schema row names, refused with a reason and with what would
 * be right. One small function for each type; what is of the network is in values_net.c.
 */
#include "config/value.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int gt_value_refuse(const struct gt_value *v, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(v->why, GT_WHY_MAX, fmt, args);
	va_end(args);
	return -EINVAL;
}

int gt_value_store_text(const struct gt_value *v)
{
	char **to = gt_value_field(v);
	char *copy = strdup(v->text);

	if (copy == NULL)
		return -ENOMEM;
	free(*to);
	*to = copy;
	return 0;
}

void gt_value_store_number(const struct gt_value *v, void *to, uint32_t n)
{
	uint16_t n16 = (uint16_t)n;

	if (v->key->size == sizeof(n16))
		memcpy(to, &n16, sizeof(n16));
	else
		memcpy(to, &n, sizeof(n));
}

/* Lists grow at powers of two, so their length tells their room. */
int gt_value_append(const struct gt_value *v, const void *element, size_t size)
{
	void **list = gt_value_field(v);
	size_t *n = gt_value_extra(v);

	if (*n >= v->key->max)
		return gt_value_refuse(v, "one too many: the list holds at most %u", v->key->max);
	if ((*n & (*n - 1)) == 0) {
		void *more = realloc(*list, (*n == 0 ? 1 : 2 * *n) * size);

		if (more == NULL)
			return -ENOMEM;
		*list = more;
	}
	memcpy((char *)*list + *n * size, element, size);
	++*n;
	return 0;
}

bool gt_value_digits(const char *s, const char *end, uint32_t max, uint32_t *out)
{
	uint64_t n = 0;

	if (s == end)
		return false;
	for (; s < end; s++) {
		if (*s < '0' || *s > '9')
			return false;
		n = n * 10 + (uint64_t)(*s - '0');
		if (n > max)
			return false;
	}
	*out = (uint32_t)n;
	return true;
}

bool gt_value_range(const char *s, uint32_t max, uint32_t *first, uint32_t *last)
{
	const char *end = s + strlen(s), *dash = strchr(s, '-');

	if (dash == NULL)
		dash = end;
	if (!gt_value_digits(s, dash, max, first))
		return false;
	*last = *first;
	return dash == end || (gt_value_digits(dash + 1, end, max, last) && *first <= *last);
}

bool gt_value_all_in(const char *s, const char *beside)
{
	for (; *s != '\0'; s++)
		if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
		      (*s >= '0' && *s <= '9') || strchr(beside, *s) != NULL))
			return false;
	return true;
}

bool gt_value_is_name(const char *text)
{
	return *text != '\0' && strlen(text) <= GT_NAME_MAX && gt_value_all_in(text, "._-");
}

static int parse_name(const struct gt_value *v)
{
	if (strlen(v->text) > GT_NAME_MAX)
		return gt_value_refuse(v, "too long");
	if (!gt_value_is_name(v->text))
		return gt_value_refuse(v, "not a name");
	strcpy(gt_value_field(v), v->text);
	return 0;
}

static int parse_text(const struct gt_value *v)
{
	return gt_value_store_text(v);
}

static int parse_path(const struct gt_value *v)
{
	if (strlen(v->text) > v->key->max)
		return gt_value_refuse(v, "longer than the path of a socket can be");
	return gt_value_store_text(v);
}

static int parse_number(const struct gt_value *v)
{
	const char *end = v->text + strlen(v->text);
	uint32_t n;

	if (v->text[strspn(v->text, "0123456789")] != '\0')
		return gt_value_refuse(v, "not a whole number");
	if (!gt_value_digits(v->text, end, v->key->max, &n) || n < v->key->min)
		return gt_value_refuse(v, "out of range");
	gt_value_store_number(v, gt_value_field(v), n);
	return 0;
}

static int parse_seed(const struct gt_value *v)
{
	bool hex = v->text[0] == '0' && (v->text[1] == 'x' || v->text[1] == 'X');
	const char *s = hex ? v->text + 2 : v->text;
	uint64_t n = 0;

	if (*s == '\0' || s[strspn(s, hex ? "0123456789abcdefABCDEF" : "0123456789")] != '\0')
		return gt_value_refuse(v, "not a number");
	errno = 0;
	n = strtoull(s, NULL, hex ? 16 : 10);
	if (errno != 0)
		return gt_value_refuse(v, "more than 64 bits");
	memcpy(gt_value_field(v), &n, sizeof(n));
	return 0;
}

static int parse_yes_no(const struct gt_value *v)
{
	bool yes = strcmp(v->text, "yes") == 0;

	if (!yes && strcmp(v->text, "no") != 0)
		return gt_value_refuse(v, "neither yes nor no");
	memcpy(gt_value_field(v), &yes, sizeof(yes));
	return 0;
}

static int parse_enum(const struct gt_value *v)
{
	struct gt_config_nearest nearest;

	gt_config_nearest_start(&nearest, v->text, v->budget);
	for (const struct gt_schema_value *e = v->key->values; e->name != NULL; e++) {
		if (strcmp(e->name, v->text) == 0) {
			memcpy(gt_value_field(v), &e->value, sizeof(e->value));
			return 0;
		}
		gt_config_nearest_try(&nearest, e->name);
	}
	if (nearest.best != NULL)
		return gt_value_refuse(v, "not known, did you mean %s?", nearest.best);
	return gt_value_refuse(v, "not known");
}

static const struct unit {
	const char *name;
	uint32_t ms;
} units[] = {{"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};

char *gt_value_duration(uint32_t ms, char *buf, size_t size)
{
	const struct unit *u = units;

	while (ms % u->ms != 0)
		u++;
	snprintf(buf, size, "%u%s", ms / u->ms, u->name);
	return buf;
}

static int duration(const struct gt_value *v, uint32_t *ms)
{
	size_t n = strspn(v->text, "0123456789");
	const char *unit = v->text + n;
	uint32_t count;

	if (n == 0)
		return gt_value_refuse(v, "not a duration");
	if (*unit == '\0')
		return gt_value_refuse(v, "a duration without its unit");
	if (*unit == '.')
		return gt_value_refuse(v, "not a whole number (1500ms is one and a half seconds)");
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(unit, units[i].name) != 0)
			continue;
		if (!gt_value_digits(v->text, unit, UINT32_MAX / units[i].ms, &count) ||
		    count * units[i].ms < v->key->min || count * units[i].ms > v->key->max)
			return gt_value_refuse(v, "out of range");
		*ms = count * units[i].ms;
		return 0;
	}
	return gt_value_refuse(v, "not a unit of time (there are ms, s, m, h)");
}

static int parse_milliseconds(const struct gt_value *v)
{
	uint32_t ms = 0;
	int rc = duration(v, &ms);

	if (rc == 0)
		memcpy(gt_value_field(v), &ms, sizeof(ms));
	return rc;
}

static int parse_seconds(const struct gt_value *v)
{
	uint32_t ms = 0;
	int rc = duration(v, &ms);

	if (rc != 0)
		return rc;
	if (ms % 1000 != 0)
		return gt_value_refuse(v, "not whole seconds");
	ms /= 1000;
	memcpy(gt_value_field(v), &ms, sizeof(ms));
	return 0;
}

static int parse_core(const struct gt_value *v)
{
	uint32_t n;

	if (!gt_value_digits(v->text, v->text + strlen(v->text), v->key->max, &n))
		return gt_value_refuse(v, "not a core");
	int core = (int)n;

	memcpy(gt_value_field(v), &core, sizeof(core));
	return 0;
}

static int parse_cores(const struct gt_value *v)
{
	uint32_t first, last;
	int rc = 0;

	if (!gt_value_range(v->text, GT_CPUS_MAX - 1, &first, &last))
		return gt_value_refuse(v, "not a core");
	for (int core = (int)first; core <= (int)last && rc == 0; core++)
		rc = gt_value_append(v, &core, sizeof(core));
	return rc;
}

static int parse_ae_title(const struct gt_value *v)
{
	if (strlen(v->text) > v->key->max)
		return gt_value_refuse(v, "longer than the 16 characters of an AE title");
	for (const char *c = v->text; *c != '\0'; c++)
		if (*c < 0x20 || *c > 0x7e || *c == '\\')
			return gt_value_refuse(v, "not an AE title");
	strcpy(gt_value_field(v), v->text);
	return 0;
}

static int parse_acks(const struct gt_value *v)
{
	static const char *const codes[] = {"AA", "AE", "AR", "CA", "CE", "CR"};
	const char *s = v->text;

	for (;;) {
		bool known = false;

		s += strspn(s, " \t");
		for (size_t i = 0; i < 6; i++)
			known |= strncmp(s, codes[i], 2) == 0;
		if (!known)
			return gt_value_refuse(v, "not acknowledgment codes");
		s += 2;
		s += strspn(s, " \t");
		if (*s == '\0')
			return gt_value_store_text(v);
		if (*s++ != ',')
			return gt_value_refuse(v, "not acknowledgment codes");
	}
}

static int parse_status(const struct gt_value *v)
{
	uint32_t first, last;

	if (!gt_value_range(v->text, v->key->max, &first, &last) || first < v->key->min)
		return gt_value_refuse(v, "not an HTTP status or range");
	gt_value_store_number(v, gt_value_field(v), first);
	gt_value_store_number(v, gt_value_extra(v), last);
	return 0;
}

static int parse_url_path(const struct gt_value *v)
{
	if (v->text[0] != '/')
		return gt_value_refuse(v, "does not begin with /");
	for (const char *c = v->text; *c != '\0'; c++)
		if (*c <= 0x20 || *c > 0x7e)
			return gt_value_refuse(v, "holds a blank or a byte that is not ASCII");
	return gt_value_store_text(v);
}

static int parse_host(const struct gt_value *v)
{
	if (strlen(v->text) > 253 || !gt_value_all_in(v->text, ".-_:[]"))
		return gt_value_refuse(v, "not a host name");
	return gt_value_store_text(v);
}

/* `expected` is the end of "write ..."; NULL: gt_value_expected makes it of the row's numbers. */
static const struct {
	int (*parse)(const struct gt_value *v);
	const char *expected;
} types[GT_TYPES] = {
	[GT_TYPE_NAME] = {parse_name, "letters, digits, '.', '_' and '-', at most 63"},
	[GT_TYPE_TEXT] = {parse_text, "text"},
	[GT_TYPE_PATH] = {parse_path, "a path of at most 107 bytes"},
	[GT_TYPE_NUMBER] = {parse_number, NULL},
	[GT_TYPE_SEED] = {parse_seed, "a number of at most 64 bits, in decimal or as 0x..."},
	[GT_TYPE_YES_NO] = {parse_yes_no, "yes or no"},
	[GT_TYPE_ENUM] = {parse_enum, NULL},
	[GT_TYPE_MILLISECONDS] = {parse_milliseconds, NULL},
	[GT_TYPE_SECONDS] = {parse_seconds, NULL},
	[GT_TYPE_ADDRESS] = {gt_value_parse_address, "an IPv4 or IPv6 unicast address"},
	[GT_TYPE_PREFIX] = {gt_value_parse_prefix,
			    "an own address with the length of its subnet's prefix, such as "
			    "192.0.2.2/24 or 2001:db8::2/64"},
	[GT_TYPE_GATEWAY] = {gt_value_parse_gateway,
			     "one unicast address for IPv4, one for IPv6, or both"},
	[GT_TYPE_PORT] = {gt_value_parse_port, "a number from 1 to 65535"},
	[GT_TYPE_PORTS] = {gt_value_parse_ports,
			   "numbers from 1 to 65535 or ranges such as 5000-5010, comma-separated, "
			   "or any"},
	[GT_TYPE_MAC] = {gt_value_parse_mac, "a unicast MAC such as 02:00:00:00:00:01"},
	[GT_TYPE_CORE] = {parse_core, "a core's number, from 0 to 1023"},
	[GT_TYPE_CORES] = {parse_cores, "cores' numbers from 0 to 1023 or ranges such as 2-5, "
					"comma-separated"},
	[GT_TYPE_DEVICE] = {gt_value_parse_device,
			    "a PCI address such as 0000:3b:00.0, or a virtual device such as "
			    "net_af_packet0,iface=eth1"},
	[GT_TYPE_TAP] = {gt_value_parse_tap,
			 "no, or a name of at most 15 letters, digits, '.', '_' and '-'"},
	[GT_TYPE_AE_TITLE] = {parse_ae_title, "at most 16 ASCII characters without backslash"},
	[GT_TYPE_ACKS] = {parse_acks, "codes out of AA, AE, AR, CA, CE, CR, comma-separated"},
	[GT_TYPE_STATUS] = {parse_status, "a status such as 200 or a range such as 200-399, within "
					  "100 to 599"},
	[GT_TYPE_URL_PATH] = {parse_url_path, "an absolute path such as /health"},
	[GT_TYPE_HOST] = {parse_host, "a host name such as pacs.example.org"},
	[GT_TYPE_LISTEN] = {gt_value_parse_listen,
			    "no, or an address and a port such as 127.0.0.1:9464 or [::1]:9464"},
};

static void expected_values(const struct gt_schema_key *key, char *buf, size_t size)
{
	size_t n = 0;

	for (const struct gt_schema_value *e = key->values; e->name != NULL && n < size; e++) {
		const char *before = e == key->values ? "" : e[1].name == NULL ? " or " : ", ";

		n += (size_t)snprintf(buf + n, size - n, "%s%s", before, e->name);
	}
}

char *gt_value_expected(const struct gt_schema_key *key, char *buf, size_t size)
{
	char least[16], most[16];

	switch (key->type) {
	case GT_TYPE_NUMBER:
		snprintf(buf, size, "a number from %u to %u", key->min, key->max);
		break;
	case GT_TYPE_ENUM:
		expected_values(key, buf, size);
		break;
	case GT_TYPE_MILLISECONDS:
	case GT_TYPE_SECONDS:
		gt_value_duration(key->min, least, sizeof(least));
		gt_value_duration(key->max, most, sizeof(most));
		snprintf(buf, size, "a duration with its unit from %s to %s, such as %s", least,
			 most, key->example);
		break;
	default:
		snprintf(buf, size, "%s", types[key->type].expected);
	}
	return buf;
}

int gt_value_parse(const struct gt_schema_key *key, const char *text, void *object,
		   char why[GT_WHY_MAX], unsigned *budget)
{
	struct gt_value v = {key, text, object, why, budget};
	char expected[160];
	size_t n;
	int rc;

	if (*text == '\0' && !key->may_be_empty)
		rc = gt_value_refuse(&v, "the value is missing");
	else
		rc = types[key->type].parse(&v);
	if (rc != -EINVAL)
		return rc;
	n = strlen(why);
	snprintf(why + n, GT_WHY_MAX - n, "; write %s",
		 gt_value_expected(key, expected, sizeof(expected)));
	return rc;
}
