#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The rooms of lib/ include downwards only (docs/architecture.md), never app/, and no DPDK header
# that needs a library. Prints each include that does not belong and fails.
set -eu
cd "${1:?usage: layers.sh SOURCE_ROOT}"

# room: what it may include
allowed() {
	case $1 in
	base) echo base ;;
	config) echo config base ;;
	packet) echo packet base ;;
	balance) echo balance base config packet ;;
	flow) echo flow base packet ;;
	neighbour) echo neighbour base packet ;;
	probe) echo probe base ;;
	pipeline) echo pipeline base config packet balance flow neighbour ;;
	node) echo node base config packet balance flow neighbour probe pipeline ;;
	report) echo report base config packet balance flow neighbour probe pipeline node ;;
	*) echo "layers.sh: room '$1' is not in docs/architecture.md" >&2 && return 1 ;;
	esac
}

bad=0
for dir in lib/*/; do
	room=$(basename "$dir")
	may=$(allowed "$room")
	for file in "$dir"*.[ch]; do
		for target in $(sed -n 's|^#include "\([a-z_]*\)/.*|\1|p' "$file"); do
			case " $may " in
			*" $target "*) ;;
			*) echo "$file includes $target/, which is not below $room" && bad=1 ;;
			esac
		done
		if grep -nE '#include <rte_(mbuf|ethdev|mempool|eal|ring|malloc|lcore)\.h>|#include ".*app/' "$file" |
			sed "s|^|$file:|" | grep .; then
			bad=1
		fi
	done
done
exit $bad
