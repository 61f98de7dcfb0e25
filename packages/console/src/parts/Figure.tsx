/** One number that counts, with its name. */
export const Figure = ({ hint, label, value }: { readonly label: string; readonly value: string; readonly hint?: string }) => (
  <div class="figure">
    <dt>{label}</dt>
    <dd>
      {value}
      {hint && <small> {hint}</small>}
    </dd>
  </div>
)
