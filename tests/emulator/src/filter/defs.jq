# What jaq's command line has beside jaq's libraries.

def @csv:
  def field:
    if . == null then ""
    elif isstring then "\"" + (split("\"") | join("\"\"")) + "\""
    elif isboolean or isnumber then tostring
    else error("\(type) can't be a field of a CSV row") end;
  if isarray then map(field) | join(",") else error("\(type) can't be a CSV row") end;

def @tsv:
  def escaped($plain; $written): split($plain) | join($written);
  def field:
    if . == null then ""
    elif isstring then
      escaped("\\"; "\\\\") | escaped("\t"; "\\t") | escaped("\n"; "\\n") | escaped("\r"; "\\r")
    elif isboolean or isnumber then tostring
    else error("\(type) can't be a field of a TSV row") end;
  if isarray then map(field) | join("\t") else error("\(type) can't be a TSV row") end;

def inputs: empty;
def input: error("No more inputs");
def input_filename: "<stdin>";

# What every filter for jq may count on, and jaq lacks.

def IN(candidates): . as $one | any(candidates; . == $one);
def IN(source; candidates): . as $all | any(source; . as $one | $all | any(candidates; . == $one));

def INDEX(rows; key):
  reduce (rows | {row: ., name: (key | tostring)}) as {$row, $name} ({}; . + {($name): $row});
def INDEX(key): INDEX(.[]; key);
