#!/bin/sh
# Take a branch of a repository, and make the executor match its manifests.
#
#     pull-and-reconcile REPOSITORY BRANCH FOLDER
set -eu
repository=$1
branch=$2
folder=$3
checkout=$HOME/checkout

# All of the history: without it nobody could tell an older commit.
if [ "$(git -C "$checkout" config --get remote.origin.url 2>/dev/null || true)" != "$repository" ]; then
    rm -rf "$checkout"
    git clone --quiet --branch "$branch" "$repository" "$checkout"
fi
cd "$checkout"
git fetch --quiet --prune origin "$branch"
git checkout --quiet --force --detach FETCH_HEAD
git clean -fdxq
exec explorer reconcile "$folder"
