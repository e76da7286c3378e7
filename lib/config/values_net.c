/* SPDX-License-Identifier: BSD-3-Clause */
/* Values of the network: addresses, ports, MACs, devices; see values.c. */
#include "config/value.h"

#include "config/bond.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An address that a station can have, or why not. */
static int station(const struct gt_value *v, const struct gt_addr *a)
{
	bool v4 = gt_addr_is_v4(a);
	uint8_t first = a->b[v4 ? 12 : 0];
	static const struct gt_addr zero4 = {{[10] = 0xff, [11] = 0xff}}, zero6;
	static const struct gt_addr broadcast4 = {{[10] = 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
	static const struct gt_addr loopback6 = {{[15] = 1}};

	if (!gt_addr_is_martian(a))
		return 0;
	if (gt_addr_equal(a, &zero4) || gt_addr_equal(a, &zero6))
		return gt_value_refuse(v, "the unspecified address");
	if (gt_addr_equal(a, &broadcast4))
		return gt_value_refuse(v, "the broadcast address");
	if (v4 ? first == 127 : gt_addr_equal(a, &loopback6))
		return gt_value_refuse(v, "a loopback address");
	if (v4 ? first >= 224 && first < 240 : first == 0xff)
		return gt_value_refuse(v, "a multicast address");
	return gt_value_refuse(v, "a reserved address that no station may have");
}

static int address(const struct gt_value *v, struct gt_addr *a)
{
	if (strchr(v->text, '/') != NULL)
		return gt_value_refuse(v, "an address with a prefix length");
	if (gt_addr_parse(v->text, a) != 0)
		return gt_value_refuse(v, "not an address");
	return station(v, a);
}

int gt_value_parse_address(const struct gt_value *v)
{
	struct gt_addr a;
	int rc = address(v, &a);

	if (rc != 0)
		return rc;
	if (v->key->list)
		return gt_value_append(v, &a, sizeof(a));
	memcpy(gt_value_field(v), &a, sizeof(a));
	return 0;
}

int gt_value_parse_prefix(const struct gt_value *v)
{
	struct gt_prefix p;
	int rc;

	if (strchr(v->text, '/') == NULL)
		return gt_value_refuse(v, "an address without the length of its prefix");
	if (gt_prefix_parse(v->text, &p) != 0)
		return gt_value_refuse(v, "not an address with the length of its prefix");
	rc = station(v, &p.addr);
	if (rc != 0)
		return rc;
	if (p.len == 0)
		return gt_value_refuse(v, "a subnet of all addresses");
	return gt_value_append(v, &p, sizeof(p));
}

int gt_value_parse_gateway(const struct gt_value *v)
{
	struct gt_config_interface *i = v->object;
	struct gt_addr a;
	int rc = address(v, &a);

	if (rc != 0)
		return rc;
	bool v4 = gt_addr_is_v4(&a);
	bool *has = v4 ? &i->has_gateway4 : &i->has_gateway6;

	if (*has)
		return gt_value_refuse(v, "a second gateway for %s", v4 ? "IPv4" : "IPv6");
	*has = true;
	*(v4 ? &i->gateway4 : &i->gateway6) = a;
	return 0;
}

int gt_value_parse_port(const struct gt_value *v)
{
	uint32_t port;

	if (!gt_value_digits(v->text, v->text + strlen(v->text), 65535, &port) || port == 0)
		return gt_value_refuse(v, "not a port");
	gt_value_store_number(v, gt_value_field(v), port);
	return 0;
}

int gt_value_parse_ports(const struct gt_value *v)
{
	uint32_t first = 0, last = 65535;

	if (strcmp(v->text, "any") != 0 &&
	    (!gt_value_range(v->text, 65535, &first, &last) || first == 0))
		return gt_value_refuse(v, "not a port");
	struct gt_port_range r = {(uint16_t)first, (uint16_t)last};

	return gt_value_append(v, &r, sizeof(r));
}

int gt_value_parse_mac(const struct gt_value *v)
{
	static const struct gt_mac zero;
	struct gt_mac m;
	bool has = true;

	if (gt_mac_parse(v->text, &m) != 0)
		return gt_value_refuse(v, "not a MAC");
	if (gt_mac_equal(&m, &zero))
		return gt_value_refuse(v, "the MAC of nobody");
	if (!gt_mac_is_unicast(&m))
		return gt_value_refuse(v, "a multicast MAC: bit 0 of the first byte is set");
	memcpy(gt_value_field(v), &m, sizeof(m));
	memcpy(gt_value_extra(v), &has, sizeof(has));
	return 0;
}

static bool hex_part(const char **s, size_t least, size_t most)
{
	size_t n = strspn(*s, "0123456789abcdefABCDEF");

	*s += n;
	return n >= least && n <= most;
}

static bool is_pci(const char *s)
{
	return hex_part(&s, 4, 8) && *s++ == ':' && hex_part(&s, 2, 2) && *s++ == ':' &&
	       hex_part(&s, 2, 2) && *s++ == '.' && *s >= '0' && *s <= '7' && s[1] == '\0';
}

#define DEVICE_NAME_MAX 63 /* RTE_DEV_NAME_MAX_LEN */

static bool is_virtual(const char *s)
{
	char name[DEVICE_NAME_MAX + 1];
	size_t n = strcspn(s, ",");

	if (strncmp(s, "net_", 4) != 0 || n <= 4 || n > DEVICE_NAME_MAX)
		return false;
	memcpy(name, s, n);
	name[n] = '\0';
	return gt_value_all_in(name, "_-.");
}

static int parse_bond(const struct gt_value *v)
{
	struct gt_bond bond;
	const char *wrong;

	if (gt_bond_parse(v->text, &bond, &wrong) != 0)
		return gt_value_refuse(v, "%s", wrong);
	for (unsigned i = 0; i < bond.n_slaves; i++)
		if (!is_pci(bond.slaves[i]) && !is_virtual(bond.slaves[i]))
			return gt_value_refuse(v, "slave '%s' is not a DPDK device",
					       bond.slaves[i]);
	return gt_value_store_text(v);
}

int gt_value_parse_device(const struct gt_value *v)
{
	size_t n = strcspn(v->text, ",");

	if (is_pci(v->text))
		return gt_value_store_text(v);
	if (strpbrk(v->text, " \t") != NULL)
		return gt_value_refuse(v, "a device's arguments hold no blank");
	if (strncmp(v->text, "net_", 4) == 0 && n > DEVICE_NAME_MAX)
		return gt_value_refuse(v, "its name is longer than 63 bytes");
	if (is_virtual(v->text))
		return gt_bond_is(v->text) ? parse_bond(v) : gt_value_store_text(v);
	if (n <= 15 && v->text[n] == '\0' && gt_value_all_in(v->text, "._-"))
		return gt_value_refuse(
			v,
			"not a DPDK device (for the kernel's interface of this name: "
			"net_af_packet0,iface=%s)",
			v->text);
	return gt_value_refuse(v, "not a DPDK device");
}

int gt_value_parse_tap(const struct gt_value *v)
{
	char **to = gt_value_field(v);

	if (strcmp(v->text, "no") == 0) {
		free(*to);
		*to = NULL;
		return 0;
	}
	if (strcmp(v->text, "yes") == 0)
		return gt_value_refuse(v, "the interface needs a name");
	if (strlen(v->text) > v->key->max)
		return gt_value_refuse(v, "longer than the 15 bytes of a kernel interface's name");
	if (!gt_value_is_name(v->text) || v->text[0] == '.')
		return gt_value_refuse(v, "not a name for a kernel interface");
	return gt_value_store_text(v);
}

int gt_value_parse_listen(const struct gt_value *v)
{
	const char *colon = strrchr(v->text, ':');
	bool brackets = v->text[0] == '[';
	struct gt_addr a;
	char addr[64];
	uint32_t port;
	size_t n;

	if (strcmp(v->text, "no") == 0) {
		char **to = gt_value_field(v);

		free(*to);
		*to = NULL;
		return 0;
	}
	if (colon == NULL || !gt_value_digits(colon + 1, colon + strlen(colon), 65535, &port) ||
	    port == 0)
		return gt_value_refuse(v, "no port");
	n = (size_t)(colon - v->text);
	if (n >= sizeof(addr) || (brackets && v->text[n - 1] != ']'))
		return gt_value_refuse(v, "not an address");
	memcpy(addr, v->text + brackets, n - 2U * brackets);
	addr[n - 2U * brackets] = '\0';
	/* Loopback and "all addresses" are good places to listen at. */
	if (gt_addr_parse(addr, &a) != 0 || gt_addr_is_v4(&a) == brackets)
		return gt_value_refuse(v, "not an address");
	return gt_value_store_text(v);
}
