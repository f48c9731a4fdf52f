# What jq has and jaq's library leaves to its command line.

def IN(source): . as $value | any(source; . == $value);
def IN(values; source): any(values | IN(source); .);
def INDEX(rows; key): reduce rows as $row ({}; .[$row | key | tostring] = $row);
def INDEX(key): INDEX(.[]; key);

def ascii: [.] | implode;
def toarray: if isarray then . else [.] end;
def trimstr($text): ltrimstr($text) | rtrimstr($text);
def leaf_paths: paths(scalars);
def tostream:
  def at($path):
    if (isarray or isobject) and length > 0 then
      keys_unsorted as $keys
      | ($keys[] as $key | .[$key] | at($path + [$key])), [$path + [$keys[-1]]]
    else [$path, .] end;
  at([]);

def date: todate;
def dateadd(unit; span): . + span;
def datesub(unit; span): . - span;

def cell(of_text):
  if isstring then of_text
  elif . == null then ""
  elif isarray or isobject then error("an array or an object is no cell of a row")
  else tostring end;
def @csv: [.[] | cell("\"" + (split("\"") | join("\"\"")) + "\"")] | join(",");
def @tsv:
  [.[] | cell(
    split("\\") | join("\\\\") | split("\t") | join("\\t")
    | split("\n") | join("\\n") | split("\r") | join("\\r")
  )] | join("\t");
