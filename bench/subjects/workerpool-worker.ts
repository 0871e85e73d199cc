/** The worker script of workerpool: the handlers of everybody else, registered. Worker thread. */
import workerpool from 'workerpool'
import { doze, echo, spin } from '../handlers.js'

workerpool.worker({ doze, echo, spin })
