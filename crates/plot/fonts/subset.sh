#!/bin/sh
# Makes the embedded fonts from the `web/` folder of the npm package inter-ui 4.1.1 (SIL OFL 1.1):
#   npm pack inter-ui@4.1.1 && tar xf inter-ui-4.1.1.tgz && pip install fonttools==4.68.0 brotli && sh subset.sh package/web
# Latin with its first extension, Greek, and the signs that captions need; kerning is the only layout feature kept,
# so that no substitution (Inter turns "->" into an arrow) can change what a label says.
set -eu
from=$1
wide='U+0020-007E,U+00A0-017F,U+0384-03CE,U+2010-2026,U+2030,U+2032,U+2033,U+2070-2079,U+2080-2089,U+2190-2193,U+2212,U+221E,U+2248,U+2260,U+2264,U+2265,U+25B2,U+25BC'
narrow='U+0020-007E,U+00A0,U+00B1,U+00B7,U+00D7,U+2013,U+2014,U+2018-201D,U+2026,U+2030,U+2190-2193,U+2212,U+2264,U+2265,U+25B2,U+25BC'
common='--layout-features=kern --no-hinting --desubroutinize --name-IDs=0,1,2,3,4,5,6,13,14,16,17 --notdef-outline'
: > inter-web.css
for style in Regular:regular:400 SemiBold:semibold:700; do
  file=${style%%:*} rest=${style#*:}
  name=${rest%%:*} weight=${rest#*:}
  fonttools ttLib.woff2 decompress -o whole.ttf "$from/Inter-$file.woff2"
  pyftsubset whole.ttf --unicodes="$wide" $common --output-file="inter-$name.ttf"
  pyftsubset whole.ttf --unicodes="$narrow" $common --flavor=woff2 --output-file="inter-$name.woff2"
  printf '@font-face{font-family:Inter;font-weight:%s;src:url(data:font/woff2;base64,%s)}\n' \
    "$weight" "$(base64 -w0 "inter-$name.woff2")" >> inter-web.css
  rm whole.ttf "inter-$name.woff2"
done
