/**
 * Places by chance among ids that nobody has to count or to read: what follows a place is the sample.
 *
 * Places are even over the ids' own letters. Ids that ascend with time are so taken evenly over time, whatever came in a busy hour.
 */
const classes = ["-", "0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "_", "abcdefghijklmnopqrstuvwxyz"]
const tries = 100

/** From `first` up to `last`, in the byte order of ASCII. */
export const placesBetween = (
  first: string,
  last: string,
  count: number,
  random: () => number = Math.random
): ReadonlyArray<string> => {
  let same = 0
  while (same < first.length && first[same] === last[same]) same++
  const tails = first.slice(same) + last.slice(same)
  const letters = classes.filter((letters) => [...letters].some((letter) => tails.includes(letter))).join("")
  const one = (from: string) => from[Math.floor(random() * from.length)] ?? ""
  const [low, high] = [first[same] ?? "", last[same] ?? ""]
  const heads = [...letters].filter((letter) => letter >= low && letter <= high).join("")
  const length = Math.max(first.length, last.length) - same - 1
  const place = () => {
    for (let i = 0; i < tries; i++) {
      const text = first.slice(0, same) + one(heads) + Array.from({ length }, () => one(letters)).join("")
      if (text >= first && text <= last) return text
    }
    return first
  }
  return Array.from({ length: count }, place)
}
