#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# release.sh VERSION: checks, sets the version, builds, commits, tags. Pushing the tag publishes.
set -eu
cd "$(dirname "$0")/.."

fail() { echo "release: $*" >&2; exit 2; }

version=${1:-}
echo "$version" | grep -Eqx '[0-9]+\.[0-9]+\.[0-9]+' ||
    fail "expected a version such as 0.2.0, found '$version'"
[ -z "$(git status --porcelain)" ] || fail "the tree has uncommitted changes; commit them first"
[ "$(git branch --show-current)" = main ] || fail "not on main; releases are made from main"
git rev-parse -q --verify "refs/tags/v$version" >/dev/null && fail "the tag v$version is there"
! grep -q example.invalid pyproject.toml library.properties idf_component.yml ||
    fail "the addresses in pyproject.toml, library.properties and idf_component.yml are placeholders, \
the latter's namespace too; fill them in"
notes=$(sed -n '/^## Unreleased/,/^## [0-9]/p' CHANGELOG.md | grep -c '^- ') || true
[ "$notes" -gt 0 ] || fail "CHANGELOG.md has no notes under '## Unreleased'"

python3 tools/set_version.py "$version"
git diff --stat

make lint
make test
rm -rf dist
.venv/bin/python -m build --outdir dist
git commit -am "Release $version"
git tag -a "v$version" -m "edge-lp $version"
echo "release: dist/ is built and v$version is tagged; publish with: git push origin main v$version"
