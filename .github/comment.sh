#!/bin/sh
# Put a text onto a pull request, as one comment: renewed where one begins with the same line.
#
#     .github/comment.sh OWNER/REPOSITORY NUMBER FILE       (make plan-comment calls it; needs gh, and its GH_TOKEN)
set -eu
repository=${1:?which repository: REPOSITORY=owner/name}
number=${2:?which pull request: PULL_REQUEST=number}
file=$3

# GitHub takes 65,536 characters.
body=$(mktemp)
trap 'rm -f "$body"' EXIT
head -c 60000 "$file" >"$body"
if [ "$(wc -c <"$file")" -gt 60000 ]; then
    printf '\n\n... shortened: `explorer plan` shows all of it.\n' >>"$body"
fi

mark=$(head -n 1 "$file")
found=$(gh api --paginate "repos/$repository/issues/$number/comments" \
    --jq ".[] | select(.body | startswith(\"$mark\")) | .id" | head -n 1)
if [ -n "$found" ]; then
    gh api --silent --method PATCH "repos/$repository/issues/comments/$found" --field "body=@$body"
    echo "renewed the comment $found on $repository#$number"
else
    gh api --silent --method POST "repos/$repository/issues/$number/comments" --field "body=@$body"
    echo "commented on $repository#$number"
fi
