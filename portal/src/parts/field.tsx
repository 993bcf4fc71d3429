import { createContext, type ReactNode, useContext, useId } from 'react';
import type { Violation } from '../api/problem.ts';
import { violationWords } from '../words/violations.ts';

/** What the API found wrong with the form that is around a field. */
export const Violations = createContext<readonly Violation[]>([]);

/** The id of the control at a place of the request, by which a summary leads to it. */
export const fieldId = (pointer: string): string => `campo${pointer.replaceAll('/', '-')}`;

export type FieldProps = {
  label: string;
  /** JSON pointer of the field in the request; its violations are shown here. */
  pointer?: string;
  hint?: string | undefined;
  required?: boolean | undefined;
};

type Control = {
  id: string;
  'aria-describedby': string | undefined;
  'aria-invalid': boolean | undefined;
  'aria-required': boolean | undefined;
};

/** A label, a control, what is to be known of it, and what is wrong with it. */
export const Field = ({
  label,
  pointer,
  hint,
  required,
  children,
}: FieldProps & { children: (control: Control) => ReactNode }) => {
  const violations = useContext(Violations);
  const own = useId();
  const id = pointer === undefined ? own : fieldId(pointer);
  const wrong = pointer === undefined ? [] : violations.filter((one) => one.pointer === pointer);
  const words = [...new Set(wrong.map(({ message }) => violationWords(message)))];
  const described = [hint && `${id}-dica`, words.length > 0 && `${id}-erro`].filter((part) => !!part);
  return (
    <div className={words.length > 0 ? 'field wrong' : 'field'}>
      <label htmlFor={id}>
        {label}
        {required === false && <span className="quiet"> (opcional)</span>}
      </label>
      {children({
        id,
        'aria-describedby': described.length > 0 ? described.join(' ') : undefined,
        'aria-invalid': words.length > 0 || undefined,
        'aria-required': required || undefined,
      })}
      {hint && (
        <p className="hint" id={`${id}-dica`}>
          {hint}
        </p>
      )}
      {words.length > 0 && (
        <p className="error" id={`${id}-erro`}>
          {words.join(' ')}
        </p>
      )}
    </div>
  );
};

type Text = FieldProps & {
  value: string;
  onChange: (value: string) => void;
  type?: 'text' | 'date' | 'email' | 'url' | 'search';
  inputMode?: 'decimal' | 'numeric';
  maxLength?: number;
  list?: string;
};

export const TextField = ({ value, onChange, type = 'text', inputMode, maxLength, list, ...field }: Text) => (
  <Field {...field}>
    {(control) => (
      <input
        {...control}
        type={type}
        value={value}
        inputMode={inputMode}
        maxLength={maxLength}
        list={list}
        autoComplete="off"
        onChange={({ target }) => onChange(target.value)}
      />
    )}
  </Field>
);

export const AreaField = ({
  value,
  onChange,
  maxLength,
  ...field
}: FieldProps & { value: string; onChange: (value: string) => void; maxLength?: number }) => (
  <Field {...field}>
    {(control) => (
      <textarea
        {...control}
        rows={3}
        value={value}
        maxLength={maxLength}
        onChange={({ target }) => onChange(target.value)}
      />
    )}
  </Field>
);

type Option = { readonly value: string; readonly name: string };

export const SelectField = ({
  value,
  onChange,
  options,
  empty,
  ...field
}: FieldProps & {
  value: string;
  onChange: (value: string) => void;
  options: readonly Option[];
  /** What is said where nothing is chosen; absent: something always is. */
  empty?: string;
}) => (
  <Field {...field}>
    {(control) => (
      <select {...control} value={value} onChange={({ target }) => onChange(target.value)}>
        {empty !== undefined && <option value="">{empty}</option>}
        {options.map((option) => (
          <option key={option.value} value={option.value}>
            {option.name}
          </option>
        ))}
      </select>
    )}
  </Field>
);

export const CheckField = ({
  label,
  hint,
  checked,
  onChange,
}: {
  label: string;
  hint?: string;
  checked: boolean;
  onChange: (checked: boolean) => void;
}) => {
  const id = useId();
  return (
    <div className="check">
      <input
        id={id}
        type="checkbox"
        checked={checked}
        aria-describedby={hint ? `${id}-dica` : undefined}
        onChange={({ target }) => onChange(target.checked)}
      />
      <label htmlFor={id}>{label}</label>
      {hint && (
        <p className="hint" id={`${id}-dica`}>
          {hint}
        </p>
      )}
    </div>
  );
};
