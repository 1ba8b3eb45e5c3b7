from aiohttp import web


async def document(_request: web.Request) -> web.Response:
    return web.json_response({})
