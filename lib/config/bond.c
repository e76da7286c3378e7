/* SPDX-License-Identifier: BSD-3-Clause */
/* A bond in one line; see bond.h. */
#include "config/bond.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define WORD "net_bonding"

bool gt_bond_is(const char *device)
{
	return strncmp(device, WORD, strlen(WORD)) == 0;
}

/* Length of an argument: up to a comma outside of brackets. False: the brackets do not pair. */
static bool measure(const char *s, size_t *len)
{
	bool inside = false;

	for (*len = 0; s[*len] != '\0' && (inside || s[*len] != ','); ++*len) {
		if ((s[*len] == '(' && inside) || (s[*len] == ')' && !inside))
			return false;
		inside ^= s[*len] == '(' || s[*len] == ')';
	}
	return !inside;
}

static bool append(struct gt_bond *bond, const char *key, const char *text, size_t len)
{
	size_t used = strlen(bond->arguments), room = sizeof(bond->arguments) - used;

	return (size_t)snprintf(bond->arguments + used, room, ",%s%.*s", key, (int)len, text) <
	       room;
}

static bool has_name(const struct gt_bond *bond, const char *text)
{
	size_t n = strcspn(text, ",");

	for (unsigned i = 0; i < bond->n_slaves; i++)
		if (strcspn(bond->slaves[i], ",") == n && strncmp(bond->slaves[i], text, n) == 0)
			return true;
	return false;
}

static const char *add_slave(struct gt_bond *bond, const char *text, size_t len)
{
	char *slave = bond->slaves[bond->n_slaves];

	if (bond->n_slaves == GT_BOND_SLAVES_MAX)
		return "a bond has at most 8 slaves";
	if (len >= 2 && text[0] == '(' && text[len - 1] == ')') {
		text++;
		len -= 2;
	}
	if (memchr(text, '(', len) != NULL || memchr(text, ')', len) != NULL)
		return "brackets go around all of a slave: slave=(net_af_packet0,iface=eth1)";
	if (len == 0 || len >= GT_BOND_TEXT_MAX)
		return "a slave is a device: slave=0000:3b:00.0 or "
		       "slave=(net_af_packet0,iface=eth1)";
	memcpy(slave, text, len);
	slave[len] = '\0';
	if (gt_bond_is(slave))
		return "a bond's slave cannot be a bond";
	if (has_name(bond, slave))
		return "two of its slaves have one name: number them, net_af_packet0, "
		       "net_af_packet1";
	bond->n_slaves++;
	return append(bond, "slave=", slave, strcspn(slave, ",")) ? NULL : "too long";
}

static const char *set_mode(struct gt_bond *bond, const char *text, size_t len)
{
	bond->mode = len == 1 ? (unsigned)(*text - '0') : 0;
	if (bond->mode != GT_BOND_ACTIVE_BACKUP && bond->mode != GT_BOND_BALANCE &&
	    bond->mode != GT_BOND_LACP)
		return "mode= is 1 (active-backup), 2 (balance, without LACP) or 4 (LACP)";
	return append(bond, "mode=", text, len) ? NULL : "too long";
}

static const char *add(struct gt_bond *bond, const char *text, size_t len)
{
	if (strncmp(text, "slave=", 6) == 0)
		return add_slave(bond, text + 6, len - 6);
	if (strncmp(text, "mode=", 5) == 0)
		return set_mode(bond, text + 5, len - 5);
	return append(bond, "", text, len) ? NULL : "too long";
}

int gt_bond_parse(const char *device, struct gt_bond *bond, const char **wrong)
{
	size_t len = strcspn(device, ",");

	*bond = (struct gt_bond){0};
	*wrong = len < sizeof(bond->arguments) ? NULL : "too long";
	if (*wrong == NULL)
		memcpy(bond->arguments, device, len);
	for (const char *s = device + len; *s == ',' && *wrong == NULL; s += len) {
		s++;
		*wrong = measure(s, &len) ? add(bond, s, len) : "its brackets do not pair";
	}
	if (*wrong == NULL && bond->mode == 0)
		*wrong = "a bond needs its mode: mode=1 (active-backup), 2 (balance, without LACP) "
			 "or 4 (LACP)";
	if (*wrong == NULL && bond->n_slaves == 0)
		*wrong = "a bond needs slaves: slave=0000:3b:00.0 or "
			 "slave=(net_af_packet0,iface=eth1)";
	/* By default all frames to one MAC, and a router's is one, would leave by one slave. */
	if (*wrong == NULL && bond->mode != GT_BOND_ACTIVE_BACKUP &&
	    strstr(bond->arguments, ",xmit_policy=") == NULL &&
	    !append(bond, "xmit_policy=", "l34", 3))
		*wrong = "too long";
	return *wrong == NULL ? 0 : -EINVAL;
}
