
"${MERGE[@]}"
code=$?
# 3: trials are missing. On a network file system that may only seem so: listings are up to a minute old there.
if [ "$code" = 3 ] && [ "$SETTLE" -gt 0 ]; then
  echo "once more in $SETTLE s, when every file that there is must be seen"
  sleep "$SETTLE"
  "${MERGE[@]}"
  code=$?
fi
exit "$code"
