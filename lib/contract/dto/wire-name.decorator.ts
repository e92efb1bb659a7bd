import { applyDecorators } from '@nestjs/common';
import { Expose, Transform } from 'class-transformer';

const wireNames = new Map<object, Map<string, string>>();

/** Turns a value as it arrived into the property's type. Leaves what it cannot turn: validation names it. */
export type FromWire = (value: unknown) => unknown;

/**
 * Names a DTO property on the wire (`unique_id` for `uniqueId`).
 *
 * Plain objects are read in either spelling, so that one class serves the
 * GAuthify wire and a `@Body()` of an application of your own; the wire's wins.
 * `instanceToPlain` writes the wire's.
 *
 * @param fromWire applied to a value read from a plain object
 */
export function WireName(name: string, fromWire?: FromWire): PropertyDecorator {
  return applyDecorators(
    (target: object, property: string | symbol) => {
      const names = wireNames.get(target) ?? new Map<string, string>();
      names.set(String(property), name);
      wireNames.set(target, names);
    },
    Expose({ name }),
    Transform(
      ({ obj, key }: { obj: Record<string, unknown>; key: string }) => {
        const value = obj[name] === undefined ? obj[key] : obj[name];
        return fromWire ? fromWire(value) : value;
      },
      { toClassOnly: true },
    ),
  );
}

/** The wire's name of a property, its own where it has none. */
export function wireNameOf(type: Function, property: string): string {
  for (
    let target = type.prototype as object | null;
    target;
    target = Object.getPrototypeOf(target) as object | null
  ) {
    const name = wireNames.get(target)?.get(property);
    if (name) return name;
  }
  return property;
}

/** The properties of a DTO and their names on the wire, in the order of the class, those of its base class first. */
export function wireNamesOf(
  type: Function,
): [property: string, wire: string][] {
  const base = Object.getPrototypeOf(type) as Function;
  return [
    ...(base.prototype ? wireNamesOf(base) : []),
    ...(wireNames.get(type.prototype as object) ?? []),
  ];
}
