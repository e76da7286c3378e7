/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Numbers for people and programs: the object of the contract (replay report and `gantryctl
 * status`) as JSON, and any of these objects as a readable table. JSON by jansson; keys keep the
 * order in which they are written.
 */
#ifndef GT_REPORT_REPORT_H
#define GT_REPORT_REPORT_H

#include <jansson.h>
#include <stdio.h>

#include "node/node.h"
#include "pipeline/pipeline.h"

/*
 * {"frames", "drops", "vips", "connections"} of a node and its workers, and "snat" where it has
 * VIPs of that mode. Only reasons above 0 are in "drops". NULL: no memory. The caller owns the
 * reference. Main.
 */
json_t *gt_report_status(const struct gt_node *node, struct gt_worker *const *workers, unsigned n);

/* Tables on `out` from those objects. Any caller; no other part of gantry is needed. */
void gt_table_status(FILE *out, const json_t *status);
void gt_table_vips(FILE *out, const json_t *vips);
void gt_table_servers(FILE *out, const json_t *vips);
void gt_table_interfaces(FILE *out, const json_t *interfaces);
void gt_table_drops(FILE *out, const json_t *drops);
void gt_table_neighbours(FILE *out, const json_t *neighbours);
void gt_table_connections(FILE *out, const json_t *connections);

#endif
