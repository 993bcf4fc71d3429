import type { useAreas } from './area-options.ts';
import { type FieldProps, SelectField, TextField } from './field.tsx';

/** Chooses an area: from a list where the person has a few, by its code where they may use every one. */
export const AreaChoice = ({
  areas: { choices, all },
  ...field
}: FieldProps & {
  areas: ReturnType<typeof useAreas>;
  value: string;
  onChange: (areaId: string) => void;
}) => {
  if (!all && choices.length > 0) return <SelectField {...field} options={choices} empty="Escolha" />;
  return (
    <>
      <TextField
        {...field}
        onChange={(text) => field.onChange(text.trim())}
        hint="O código da área, como CRD01"
        maxLength={64}
        list="areas"
      />
      <datalist id="areas">
        {choices.map(({ value, name }) => (
          <option key={value} value={value}>
            {name}
          </option>
        ))}
      </datalist>
    </>
  );
};
