#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# What `meson install` puts in place: the programs run, the examples pass, the unit names what is
# there, and every link of the pages leads somewhere.
# usage: install.sh MESON BUILD_ROOT PREFIX
set -eu
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
"$1" install -C "$2" --no-rebuild --quiet --destdir "$root"
at=$root$3
doc=$at/share/doc/gantry
bad=0
wrong() {
	echo "$*"
	bad=1
}

for program in gantry gantryctl; do
	"$at/bin/$program" --version >/dev/null || wrong "$program does not run"
done

unit=$at/lib/systemd/system/gantry.service
for path in $(sed -n 's|^Documentation=file://||p; s|^Exec[A-Za-z]*=\([^ ]*\).*|\1|p' "$unit"); do
	[ -e "$root$path" ] || wrong "gantry.service names $path, which is not there"
done

[ -e "$doc/examples/gantry-alerts.yml" ] || wrong "no gantry-alerts.yml"
n=0
for file in "$doc"/examples/*.ini; do
	"$at/bin/gantry" check "$file" >/dev/null || wrong "$file is wrong"
	n=$((n + 1))
done
[ $n -ge 5 ] || wrong "$n examples"

# [text](path#part), but not https://
n=0
for page in "$doc"/*.md "$doc"/docs/*.md; do
	for link in $(grep -o '](\.*[a-zA-Z/][^):]*)' "$page" | sed 's/^](//; s/[#)].*//' | sort -u); do
		[ -e "$(dirname "$page")/$link" ] || wrong "${page#"$doc/"} leads to $link, which is not there"
		n=$((n + 1))
	done
done
[ $n -ge 10 ] || wrong "$n links in all pages"
exit $bad
