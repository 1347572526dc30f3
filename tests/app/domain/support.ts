/** A patient as a request gives it. */
export function newPatient(): { readonly givenName: string; readonly familyName: string; readonly birthDate: string } {
  return { givenName: "Ada", familyName: "Muster", birthDate: "1984-05-17" };
}
