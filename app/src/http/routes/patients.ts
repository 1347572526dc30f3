import { Router } from "express";
import { z } from "zod";
import type { Container } from "../../container";
import { PATIENT_STATUSES, patients, type PatientRow } from "../../db/domain-tables";
import { createPatient, deletePatient, getPatient, PATIENT_LIST, updatePatient } from "../../patients/patients";
import { sendCached } from "../cached";
import { sendCreated } from "../create";
import { calendarDate, email, name, notes, phone } from "../fields";
import { sessionOf, tenantOf } from "../middleware/authenticate";
import { jsonBody } from "../middleware/body";
import * as shown from "../openapi/fields";
import { resource } from "../openapi/operation";
import { listPage, parseListRequest } from "../pagination";
import { expectedVersion, versionHeaders } from "../precondition";
import { sendJson, sendNothing } from "../respond";
import { pathId, validate } from "../validate";

const birthDate = calendarDate
  .refine((day) => day >= "1880-01-01" && day <= new Date().toISOString().slice(0, 10))
  .describe("a date such as 1984-05-17, not before 1880 and not in the future");

const newPatientSchema = z.strictObject({
  givenName: name,
  familyName: name,
  birthDate,
  email: email.nullable().default(null),
  phone: phone.nullable().default(null),
  notes: notes.default(""),
});

const changesSchema = z.strictObject({
  givenName: name.optional(),
  familyName: name.optional(),
  birthDate: birthDate.optional(),
  email: email.nullable().optional(),
  phone: phone.nullable().optional(),
  notes: notes.optional(),
  status: z
    .enum(PATIENT_STATUSES)
    .optional()
    .describe(`one of ${PATIENT_STATUSES.join(", ")}`),
});

const patientSchema: z.ZodType<PatientRow> = z.strictObject({
  id: shown.id,
  givenName: z.string(),
  familyName: z.string(),
  birthDate: shown.date,
  email: z.string().nullable(),
  phone: z.string().nullable(),
  status: z.enum(PATIENT_STATUSES),
  notes: z.string(),
  version: shown.versionNumber,
  createdBy: shown.id,
  ...shown.times,
});

export const patientOperations = resource({
  tag: "patients",
  path: "/api/patients",
  one: "a patient",
  list: PATIENT_LIST,
  listItem: patientSchema,
  create: newPatientSchema,
  change: changesSchema,
  deletes: true,
  repeatable: true,
});

/** `/api/patients`: the patients of a company. Every user works with them, admins delete them. */
export function patientRoutes(container: Container): Router {
  const { database } = container;
  const router = Router();

  router.get("/", async (request, response) => {
    const list = parseListRequest(request.query, PATIENT_LIST);
    await sendCached(container, request, response, { name: "patients", query: list, tags: [patients.table] }, (scope) =>
      listPage(scope.table(patients), list, (patient) => patient),
    );
  });

  router.post("/", jsonBody(), async (request, response) => {
    const patient = validate(newPatientSchema, request.body, "The request body");
    const { userId } = sessionOf(request);
    await sendCreated(request, response, database, "/api/patients", (scope) => createPatient(scope, userId, patient));
  });

  router.get("/:id", async (request, response) => {
    const patient = await getPatient(tenantOf(request, database), pathId(request));
    sendJson(request, response, 200, patient, versionHeaders(patient));
  });

  router.patch("/:id", jsonBody(), async (request, response) => {
    const expected = expectedVersion(request);
    const changes = validate(changesSchema, request.body, "The request body");
    const patient = await updatePatient(tenantOf(request, database), pathId(request), expected, changes);
    sendJson(request, response, 200, patient, versionHeaders(patient));
  });

  router.delete("/:id", async (request, response) => {
    await deletePatient(tenantOf(request, database), pathId(request));
    sendNothing(request, response);
  });

  return router;
}
