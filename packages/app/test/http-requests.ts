/** Bodies of a join that are not valid, with the paths of the fields that must be named. */

/** Objects in objects: `nested(1)` is `{}`. */
export const nested = (depth: number): string => `${'{"a":'.repeat(depth - 1)}{}${"}".repeat(depth - 1)}`

export const badJoins: ReadonlyArray<readonly [name: string, body: string, errors?: ReadonlyArray<string>]> = [
  ["no body", ""],
  ["broken JSON", '{"userId":'],
  ["NaN", '{"userId":NaN}'],
  ["null", "null", [""]],
  ["an array", "[]", [""]],
  ["a string", '"u1"', [""]],
  ["no user", "{}", ["userId"]],
  ["null for the user", '{"userId":null}', ["userId"]],
  ["a number for the user", '{"userId":5}', ["userId"]],
  ["1e309", '{"userId":1e309}', ["userId"]],
  ["an integer past 2^53", '{"userId":9007199254740993}', ["userId"]],
  ["an unknown key", '{"userId":"u1","admin":true}', ["admin"]],
  ["two unknown keys and a bad user", '{"x":1,"userId":"a b","y":2}', ["x", "y", "userId"]],
  ["__proto__", '{"userId":"u1","__proto__":{"admin":true}}', ["__proto__"]],
  ["constructor", '{"userId":"u1","constructor":{}}', ["constructor"]],
  ["depth 11", `{"userId":${nested(10)}}`, [`userId${".a".repeat(9)}`]],
  ["an empty user", '{"userId":""}', ["userId"]],
  ["a user of 65 characters", `{"userId":"${"a".repeat(65)}"}`, ["userId"]],
  ["a user with a NUL", '{"userId":"a\\u0000b"}', ["userId"]],
  ["a user with a line break", '{"userId":"a\\r\\nSet-Cookie: x"}', ["userId"]],
  ["a user with a bidi character", '{"userId":"a\\u202eb"}', ["userId"]],
  ["a user with braces", '{"userId":"a{b}"}', ["userId"]],
  ["a user with a slash", '{"userId":"a/b"}', ["userId"]],
  ["a user with a dollar", '{"userId":"$gt"}', ["userId"]],
  ["a user with a dot first", '{"userId":"..secret"}', ["userId"]],
  ["an operator for a user", '{"userId":{"$gt":""}}', ["userId"]]
]
