import {
  type CanActivate,
  type ExecutionContext,
  Injectable,
} from '@nestjs/common';
import type { ObservedRequest } from './observed-request.js';

const routes = new WeakMap<Function, string>();

/** Notes the route on its request. */
export function noteRoute(
  request: ObservedRequest,
  context: ExecutionContext,
): void {
  const handler = context.getHandler();
  let route = routes.get(handler);
  if (route === undefined) {
    route = [pathOf(context.getClass()), pathOf(handler)]
      .filter((path) => path !== '/')
      .join('/');
    routes.set(handler, route);
  }
  request.gauthifyRoute = route;
}

/** Nest keeps the paths of controllers and handlers under this key. */
const pathOf = (target: Function) =>
  Reflect.getMetadata('path', target) as string;

/** Notes the route of a controller without the guard of the API. */
@Injectable()
export class RouteGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context
      .switchToHttp()
      .getRequest<ObservedRequest & { raw?: ObservedRequest }>();
    noteRoute(request.raw ?? request, context);
    return true;
  }
}
